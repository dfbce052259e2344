// SARIF logs, one a line on standard input, against the schema of SARIF 2.1.0 (RTM 5) that Microsoft's SDK ships; a line
// of problems, as a JSON list, for each.
// usage: node sarif_judge.js NODE_MODULES
'use strict'
const fs = require('fs')
const path = require('path')

const home = path.join(process.argv[2], '@microsoft/jest-sarif')
// The schema is of draft 04, which the SDK's own ajv (6) knows.
const Ajv = require(require.resolve('ajv', { paths: [home] }))
const draft04 = require(require.resolve('ajv/lib/refs/json-schema-draft-04.json', { paths: [home] }))
const schema = JSON.parse(fs.readFileSync(path.join(home, 'lib/schemas/sarif-2.1.0-rtm.5.json'), 'utf8'))
const ajv = new Ajv({ schemaId: 'auto', meta: false, allErrors: true, format: 'full' })
ajv.addMetaSchema(draft04)
ajv._opts.defaultMeta = draft04.id
const validate = ajv.compile(schema)

for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(l => l !== '')) {
    const problems = validate(JSON.parse(line)) ? [] : validate.errors.map(e => `${e.dataPath} ${e.message}`)
    console.log(JSON.stringify(problems))
}
