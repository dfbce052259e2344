// Judges documents by a JSON Schema, one JSON document per line on stdin; prints true or false for each.
// Arguments: the folder of the npm packages, the schema.
"use strict";
const fs = require("fs");
const { createRequire } = require("module");
const Ajv = createRequire(process.argv[2] + "/x.js")("ajv");
const valid = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true }).compile(
    JSON.parse(fs.readFileSync(process.argv[3], "utf8")));

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
    process.stdout.write(`${valid(JSON.parse(line))}\n`);
});
