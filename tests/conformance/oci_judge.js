// Judges requests to Oracle Cloud, one JSON object per line on stdin; prints one JSON list of problems for each.
// Arguments: the folder of the npm packages, the schema of LaunchInstance.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const { createRequire } = require("module");
const load = createRequire(process.argv[2] + "/x.js");
const httpSignature = load("http-signature");
const { DefaultRequestSigner } = load("oci-common/lib/signer");
const Ajv = load("ajv");

const KEY_ID = "ocid1.tenancy.oc1..aaaat/ocid1.user.oc1..aaaau/20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
const valid = new Ajv({ strict: false, allErrors: true }).compile(JSON.parse(fs.readFileSync(process.argv[3], "utf8")));

function lower(headers) {
    return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

// A server of other hands: every header that Oracle wants is signed, and the signature is the key's.
function verified(request, headers, target, wanted) {
    try {
        const parsed = httpSignature.parseRequest({ method: request.method, url: target, headers, httpVersion: "1.1" }, { headers: wanted });
        const key = crypto.createPublicKey(request.key).export({ type: "spki", format: "pem" });
        if (parsed.keyId !== KEY_ID)
            return [`keyId ${parsed.keyId}`];
        return httpSignature.verifySignature(parsed, key) ? [] : ["the signature does not verify"];
    } catch (e) {
        return [`http-signature: ${e.message}`];
    }
}

// Oracle's own signer, given the same request and time: its text but for the name of the date is ours.
async function sameAsOracles(request, headers, target, wanted) {
    const own = new Headers({ "x-date": headers.date });
    const signer = new DefaultRequestSigner({
        getKeyId: async () => KEY_ID,
        getPassphrase: () => null,
        getPrivateKey: () => request.key,
    });
    const theirs = { method: request.method, uri: request.url, headers: own, body: request.body || undefined };
    await signer.signHttpRequest(theirs, !request.body);
    const problems = [];
    for (const name of ["host", "content-length", "x-content-sha256"]) {
        if (own.get(name) !== null && own.get(name) !== headers[name])
            problems.push(`${name} is ${headers[name]}, Oracle's signer says ${own.get(name)}`);
    }
    const listed = /headers="([^"]*)"/.exec(own.get("authorization"))[1].toLowerCase();
    const list = listed.replace("x-date", "date").split(" ").sort().join(" ");
    if (list !== [...wanted].sort().join(" "))
        problems.push(`signed are ${wanted}, by Oracle's signer ${listed}`);
    const text = listed
        .split(" ")
        .map((name) =>
            name === "(request-target)" ? `${name}: ${request.method.toLowerCase()} ${target}`
                : `${name}: ${name === "x-date" ? headers.date : headers[name]}`)
        .join("\n");
    const signature = Buffer.from(/signature="([^"]*)"/.exec(own.get("authorization"))[1], "base64");
    if (!crypto.verify("sha256", Buffer.from(text), request.key, signature))
        problems.push("Oracle's signer signs another text");
    return problems;
}

function digestProblems(request, headers) {
    const digest = crypto.createHash("sha256").update(request.body).digest("base64");
    return headers["x-content-sha256"] === digest ? [] : ["x-content-sha256 is not the body's"];
}

function launchProblems(request, headers) {
    const token = headers["opc-retry-token"] || "";
    const problems = token.length < 1 || token.length > 64 ? [`opc-retry-token of ${token.length} characters`] : [];
    if (!valid(JSON.parse(request.body)))
        problems.push(...valid.errors.map((e) => `${e.instancePath || "body"} ${e.message} ${JSON.stringify(e.params)}`));
    return problems;
}

async function judge(request) {
    const headers = lower(request.headers);
    const target = request.url.slice(request.url.indexOf("/", 8));
    const wanted = ["date", "(request-target)", "host"];
    const problems = [];
    if (request.body) {
        wanted.push("content-length", "content-type", "x-content-sha256");
        problems.push(...digestProblems(request, headers));
    }
    problems.push(...verified(request, headers, target, wanted));
    problems.push(...(await sameAsOracles(request, headers, target, wanted)));
    if (request.method === "POST" && target === "/20160918/instances")
        problems.push(...launchProblems(request, headers));
    return problems;
}

(async () => {
    for (const line of fs.readFileSync(0, "utf8").split("\n").filter((text) => text !== ""))
        console.log(JSON.stringify(await judge(JSON.parse(line))));
})();
