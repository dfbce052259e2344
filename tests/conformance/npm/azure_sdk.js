// Our Azure requests against Microsoft's SDK. Each body is read into the SDK's model and written again: a member that is
// unknown or in the wrong place is lost on the way. Then the SDK makes the same call, up to its HTTP client: method,
// path, query, conditions and body must be what ours are.
// usage: node azure_sdk.js NODE_MODULES REQUESTS
'use strict'
const fs = require('fs')
const path = require('path')
const assert = require('assert')

const [modules, file] = process.argv.slice(2)
const load = name => require(path.join(modules, name))
const { ComputeManagementClient } = load('@azure/arm-compute')
const { NetworkManagementClient } = load('@azure/arm-network')
const { ResourceManagementClient } = load('@azure/arm-resources')
const { createSerializer } = load('@azure/core-client')
const mappers = load('@azure/arm-compute/dist/commonjs/models/mappers.js')
const serializer = createSerializer(mappers, false)
const BASE = 'https://management.azure.com'
let failures = 0

function report(name, problems) {
    failures += problems.length > 0 ? 1 : 0
    console.log(problems.length > 0 ? `not ok ${name}: ${problems.join('; ')}` : `ok ${name}`)
}

// The first request that the SDK would send.
class Caught extends Error {}
async function wouldSend(Client, subscription, call) {
    let caught
    const client = new Client({ getToken: async () => ({ token: 't', expiresOnTimestamp: Date.now() + 1e7 }) },
        subscription, {
            endpoint: BASE,
            $host: BASE,
            retryOptions: { maxRetries: 0 },
            httpClient: {
                sendRequest: async request => {
                    caught = request
                    throw new Caught()
                }
            }
        })
    try {
        await call(client)
    } catch (e) {
        if (!(e instanceof Caught) && caught === undefined) throw e
    }
    return caught
}

// What is in a and not in b, by path.
function lost(a, b, at) {
    if (a !== null && typeof a === 'object') {
        if (b === null || typeof b !== 'object') return [at]
        return Object.keys(a).flatMap(k => lost(a[k], b[k], at === '' ? k : `${at}.${k}`))
    }
    return a === b ? [] : [at]
}

function roundTrip(mapper, body) {
    const model = serializer.deserialize(mapper, structuredClone(body), 'body')
    return { model, again: serializer.serialize(mapper, model, 'body') }
}

const VM = /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.Compute\/virtualMachines/
const GROUP = '^/subscriptions/([^/]+)/resourceGroups/([^/]+)'
const LOCATION = '^/subscriptions/([^/]+)/providers/Microsoft\\.Compute/locations/([^/]+)'
const rows = [
    ['PUT', new RegExp(VM.source + '/([^/]+)$'), ComputeManagementClient, mappers.VirtualMachine,
        (c, m, q, model) => c.virtualMachines.beginCreateOrUpdate(m[2], m[3], model, { ifNoneMatch: '*' })],
    ['PUT', new RegExp(VM.source + '/([^/]+)/extensions/([^/]+)$'), ComputeManagementClient,
        mappers.VirtualMachineExtension,
        (c, m, q, model) => c.virtualMachineExtensions.beginCreateOrUpdate(m[2], m[3], m[4], model)],
    ['GET', new RegExp(VM.source + '/([^/]+)$'), ComputeManagementClient, null,
        (c, m) => c.virtualMachines.get(m[2], m[3], { expand: 'instanceView' })],
    ['DELETE', new RegExp(VM.source + '/([^/]+)$'), ComputeManagementClient, null,
        (c, m) => c.virtualMachines.beginDelete(m[2], m[3], { forceDeletion: true })],
    ['GET', new RegExp(VM.source + '$'), ComputeManagementClient, null,
        (c, m) => c.virtualMachines.list(m[2]).next()],
    ['GET', new RegExp(GROUP + '/resources$'), ResourceManagementClient, null,
        (c, m, q) => c.resources.listByResourceGroup(m[2], { filter: q.get('$filter') || undefined }).next()],
    ['DELETE', new RegExp(GROUP + '/providers/Microsoft\\.Network/networkInterfaces/([^/]+)$'), NetworkManagementClient,
        null, (c, m) => c.networkInterfaces.beginDelete(m[2], m[3])],
    ['DELETE', new RegExp(GROUP + '/providers/Microsoft\\.Network/publicIPAddresses/([^/]+)$'), NetworkManagementClient,
        null, (c, m) => c.publicIPAddresses.beginDelete(m[2], m[3])],
    ['DELETE', new RegExp(GROUP + '/providers/Microsoft\\.Compute/disks/([^/]+)$'), ComputeManagementClient, null,
        (c, m) => c.disks.beginDelete(m[2], m[3])],
    ['GET', new RegExp(LOCATION + '/publishers/([^/]+)/artifacttypes/vmimage/offers/([^/]+)/skus/([^/]+)/versions$'),
        ComputeManagementClient, null,
        (c, m) => c.virtualMachineImages.list(m[2], m[3], m[4], m[5], { top: 1, orderby: 'name desc' })],
    ['GET', new RegExp(LOCATION +
        '/publishers/([^/]+)/artifacttypes/vmimage/offers/([^/]+)/skus/([^/]+)/versions/([^/]+)$'),
        ComputeManagementClient, null, (c, m) => c.virtualMachineImages.get(m[2], m[3], m[4], m[5], m[6])],
    ['GET', new RegExp(GROUP + '/providers/Microsoft\\.Compute/galleries/([^/]+)/images/([^/]+)$'),
        ComputeManagementClient, null, (c, m) => c.galleryImages.get(m[2], m[3], m[4])],
    ['GET', new RegExp(LOCATION + '/communityGalleries/([^/]+)/images/([^/]+)$'), ComputeManagementClient, null,
        (c, m) => c.communityGalleryImages.get(m[2], m[3], m[4])],
    ['GET', new RegExp(LOCATION + '/sharedGalleries/([^/]+)/images/([^/]+)$'), ComputeManagementClient, null,
        (c, m) => c.sharedGalleryImages.get(m[2], m[3], m[4])]
]

// Paths name things without case; the SDK's versions may be newer than ours, never older.
function compareUrls(ours, theirs) {
    const found = []
    if (ours.pathname.toLowerCase() !== theirs.pathname.toLowerCase())
        found.push(`path ${ours.pathname} is ${theirs.pathname} by the SDK`)
    const version = ours.searchParams.get('api-version')
    if (!/^20\d\d-\d\d-\d\d$/.test(version || '') || version > theirs.searchParams.get('api-version'))
        found.push(`api-version ${version}, the SDK's is ${theirs.searchParams.get('api-version')}`)
    for (const u of [ours, theirs]) u.searchParams.delete('api-version')
    const [a, b] = [ours, theirs].map(u => JSON.stringify([...u.searchParams].sort()))
    if (a !== b) found.push(`query ${a} is ${b} by the SDK`)
    return found
}

async function judge(r) {
    const url = new URL(BASE + r.path)
    const found = []
    const row = rows.find(w => w[0] === r.method && w[1].test(url.pathname))
    if (row === undefined) return [`no call of the SDK makes ${r.method} ${url.pathname}`]
    const m = url.pathname.match(row[1]).map(decodeURIComponent)
    const ours = row[3] === null ? undefined : JSON.parse(r.body)
    let trip
    if (url.searchParams.has('$skiptoken')) url.searchParams.delete('$skiptoken') // a link of the service's own
    if (ours !== undefined) {
        try {
            trip = roundTrip(row[3], ours)
        } catch (e) {
            return [`the SDK cannot read it: ${e.message}`]
        }
        found.push(...lost(ours, trip.again, '').map(p => `${p} is unknown, misplaced or of another type`))
    }
    const theirs = await wouldSend(row[2], m[1], c => row[4](c, m, url.searchParams, trip && trip.model))
    if (theirs.method !== r.method) found.push(`method ${theirs.method} by the SDK`)
    found.push(...compareUrls(url, new URL(theirs.url)))
    if (ours !== undefined && found.length === 0) {
        try {
            assert.deepStrictEqual(ours, JSON.parse(theirs.body))
        } catch (e) {
            found.push(`another body by the SDK: ${e.message.replace(/\n/g, ' ')}`)
        }
    }
    const [have, want] = [r.headers['If-None-Match'], theirs.headers.get('If-None-Match')]
    if (have !== want) found.push(`If-None-Match is ${have}, by the SDK ${want}`)
    if (ours !== undefined && !/^application\/json/.test(r.headers['Content-Type'] || ''))
        found.push(`Content-Type is ${r.headers['Content-Type']}`)
    if (!/^Bearer \S+$/.test(r.headers.Authorization || '')) found.push('no bearer token')
    return found
}

// What the judge must not let pass.
async function controls(requests) {
    const put = requests.find(r => r.scenario === 'options' && r.method === 'PUT')
    const get = requests.find(r => r.method === 'GET' && r.path.includes('instanceView'))
    const edit = change => {
        const body = JSON.parse(put.body)
        change(body)
        return { ...put, body: JSON.stringify(body) }
    }
    const nic = b => b.properties.networkProfile.networkInterfaceConfigurations[0]
    for (const [name, bad, needle] of [
        ['a misspelt member', edit(b => { b.properties.evictionPolicie = 'Delete' }), 'properties.evictionPolicie'],
        ['a member in the wrong place', edit(b => { b.evictionPolicy = 'Delete' }), 'evictionPolicy'],
        ['deleteOption beside properties', edit(b => { nic(b).deleteOption = 'Delete' }), 'deleteOption'],
        ['user-data in the wrong profile', edit(b => { b.properties.osProfile.userData = 'eA==' }), 'userData'],
        ['a wrong type', edit(b => { b.properties.storageProfile.osDisk.diskSizeGB = '128' }), 'diskSizeGB'],
        ['a list that is none', edit(b => { nic(b).properties.ipConfigurations = {} }), 'ipConfigurations'],
        ['no condition', { ...put, headers: { ...put.headers, 'If-None-Match': undefined } }, 'If-None-Match'],
        ['another path', { ...get, path: get.path.replace('virtualMachines', 'virtualMachine') }, 'no call of the SDK'],
        ['another parameter', { ...get, path: get.path.replace('$expand', '$expands') }, 'query'],
        ['a version of the future', { ...get, path: get.path.replace(/api-version=\d+/, 'api-version=2999') },
            'api-version'],
        ['no credentials', { ...get, headers: {} }, 'no bearer token']]) {
        const found = await judge(bad)
        report(`control: ${name}`, found.some(p => p.includes(needle)) ? [] : [`not noticed, found ${found}`])
    }
}

async function main() {
    const requests = fs.readFileSync(file, 'utf8').trim().split('\n').map(line => JSON.parse(line))
        .filter(r => !r.path.endsWith('/oauth2/v2.0/token') && !r.path.includes('/operations/'))
    const seen = new Map()
    for (const r of requests) {
        const what = `${r.scenario}: ${r.method} ${r.path.split('?')[0].split('/').slice(-2).join('/')}`
        seen.set(what, (seen.get(what) || 0) + 1)
        report(seen.get(what) > 1 ? `${what} (${seen.get(what)})` : what, await judge(r))
    }
    await controls(requests)
    process.exitCode = failures > 0 ? 1 : 0
}

main().catch(e => {
    console.log(`not ok azure_sdk: ${e.stack.replace(/\n/g, ' ')}`)
    process.exitCode = 1
})
