// Our reading of GitHub's expressions and matrices against GitHub's own implementation for editors, @actions/expressions:
// cases written down, and random ones from a seed. Arguments: the folder of the npm packages, our tool, the seed.
//
// GitHub publishes no JavaScript for matrices. Those are held against the documented rule ("Running variations of jobs in
// a workflow"), written again here with @actions/expressions comparing the values.
//
// Known to differ, and left out: case(), whose arguments are evaluated as needed on GitHub's servers and all at once here;
// toJSON of NaN and Infinity; a chain of 50 comparisons, which the servers count as depth; numbers of more than 15 digits and below 1e-6 or from 1e15 on, whose text is .NET's on
// GitHub's servers and JavaScript's here; letters beyond ASCII with case; "0x" and "0o" numbers over 31 bits.
import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";

const [modules, tool, seedText] = process.argv.slice(2);
const { Parser, Lexer, Evaluator, data, wellKnownFunctions } = await import(pathToFileURL(`${modules}/@actions/expressions/dist/index.js`));
const { reviver } = await import(pathToFileURL(`${modules}/@actions/expressions/dist/data/reviver.js`));
const { equals } = await import(pathToFileURL(`${modules}/@actions/expressions/dist/result.js`));
const { caseFunc } = await import(pathToFileURL(`${modules}/@actions/expressions/dist/funcs/case.js`));
const { tojson } = await import(pathToFileURL(`${modules}/@actions/expressions/dist/funcs/tojson.js`));

const CONTEXTS = {
    github: { event_name: "push", ref: "refs/heads/main", run_number: 7, event: { commits: [{ id: "a", n: 1 }, { id: "B", n: 2 }, 5] } },
    inputs: { on: true, off: false, nothing: null, empty: "", count: 3, half: 0.5, text: "Hello", list: ["a", "B", 3, null, true], deep: { a: { x: 1 }, b: { x: "two" }, c: [1, [2]] } },
    matrix: { os: "ubuntu-latest", gpu: "T4", n: 10, zero: 0, "with-dash": "yes", hex: "0x1F", oct: "0o17", num: " 12 ", exp: "1e3", nan: "x1" },
};
const kinds = { [data.Kind.String]: "string", [data.Kind.Array]: "array", [data.Kind.Dictionary]: "object", [data.Kind.Boolean]: "boolean", [data.Kind.Number]: "number", [data.Kind.Null]: "null" };

// ---- what GitHub's own code says ----

function theirs(expression) {
    try {
        const { tokens } = new Lexer(expression).lex();
        const tree = new Parser(tokens, Object.keys(CONTEXTS), [caseFunc]).parse();
        const root = JSON.parse(JSON.stringify(CONTEXTS), reviver);
        const v = new Evaluator(tree, root, new Map([["case", caseFunc]])).evaluate();
        return { kind: kinds[v.kind], text: v.kind === data.Kind.Dictionary ? "Object" : v.kind === data.Kind.Array ? "Array" : v.coerceString(), json: tojson.call(v).value };
    } catch (e) {
        return { error: String(e.message) };
    }
}

function filterMatches(filter, value) {
    if (filter !== null && typeof filter === "object")
        return Object.entries(filter).every(([k, f]) => filterMatches(f, value !== null && typeof value === "object" && k in value ? value[k] : null));
    const [a, b] = [filter, value].map(x => JSON.parse(JSON.stringify(x ?? null), reviver));
    return equals(b, a);
}

function leaves(v) {
    if (v !== null && typeof v === "object")
        return Object.values(v).flatMap(leaves);
    return [JSON.parse(JSON.stringify(v), reviver).coerceString()].filter(s => s !== "");
}

function rowsByTheRule({ include = [], exclude = [], ...vectors }) {
    let rows = Object.keys(vectors).length > 0 ? [{}] : [];
    for (const [key, list] of Object.entries(vectors))
        rows = rows.flatMap(r => list.map(v => ({ ...r, [key]: v })));
    rows = rows.filter(r => !exclude.some(x => filterMatches(x, r)));
    const out = rows.map(r => ({ name: leaves(r).join(", "), original: r, values: { ...r } }));
    for (const add of include) {
        const own = Object.entries(add).filter(([k]) => k in vectors), extra = Object.entries(add).filter(([k]) => !(k in vectors));
        const hit = out.filter(r => r.original && own.every(([k, v]) => filterMatches(v, r.original[k])));
        hit.forEach(r => Object.assign(r.values, Object.fromEntries(extra)));
        if (hit.length === 0)
            out.push({ name: leaves(add).join(", "), values: add });
    }
    return out;
}

// ---- cases ----

const WRITTEN = [
    "1 == 1.0", "'a' == 'A'", "null == 0", "null == ''", "true == 1", "'1' == 1", "'' == 0", "' ' == 0", "'x' == 0", "NaN == NaN", "Infinity > 1", "-Infinity",
    "0xff", "0o17", "1e3", ".5", "-.5", "+1", "1.", "-0", "0.1", "1e14", "123456789012345", "'it''s'", "''''", "!null", "!'a'", "!0", "!!1", "!matrix.os == false",
    "1 < 2 && 2 < 3", "'b' > 'A'", "true > false", "null < 1", "'10' < 9", "'abc' < 1", "inputs.list < 1", "inputs.list == inputs.list", "inputs.list == 'Array'",
    "true && 'a'", "false && 'a'", "'' || 'b'", "0 || null || 'c'", "1 && 2 && 3", "1 && 0 || 5", "inputs.on && 'gpu' || 'cpu'", "inputs.off && 'gpu' || 'cpu'",
    "github.event_name == 'push' && 'a' || 'b'", "github.nothing", "github.nothing.deeper", "github['event_name']", "GITHUB.EVENT_NAME", "github.event.commits[0].id",
    "github.event.commits.*.id", "github.event.commits[*].n", "inputs.deep.*.x", "inputs.deep.*", "inputs.deep.*.*", "inputs.list[1]", "inputs.list['1']", "inputs.list[1.9]", "inputs.list[-1]",
    "inputs.list[99]", "inputs.list[true]", "inputs.list[null]", "inputs.list['x']", "inputs.text.length", "matrix.with-dash", "matrix['with-dash']", "inputs.deep.c[1][0]", "inputs.text.*", "inputs.deep.*.x[0]",
    "matrix.hex == 31", "matrix.oct == 15", "matrix.num == 12", "matrix.exp == 1000", "matrix.nan == 1", "matrix.n == '10'", "matrix.zero || 'none'",
    "contains('Hello world', 'LLO')", "contains(inputs.list, 'b')", "contains(inputs.list, '3')", "contains(inputs.list, 3)", "contains(inputs.list, null)", "contains(inputs.deep, 'a')", "contains('a', '')", "contains(123, 2)",
    "startsWith('Hello', 'he')", "startsWith('a', '')", "startsWith(inputs.list, 'a')", "endsWith('Hello', 'LO')", "endsWith(110, 10)", "endsWith('a', 'ba')",
    "format('{0} {1} {0}', 'a', 2)", "format('{{}}')", "format('{{0}} {0}', true)", "format('{0}', inputs.list)", "format('{0}', null)", "format('{1}', 1)", "format('{')", "format('{x}', 1)", "format('}')", "format('')", "format('a{{{0}}}b', 1)",
    "join(inputs.list)", "join(inputs.list, '-')", "join('a', 'b')", "join(inputs.deep)", "join(inputs.list, null)", "join(github.event.commits.*.id, ', ')", "join(fromJSON('[]'))",
    "toJSON(inputs.deep)", "toJSON(inputs.list)", "toJSON('a\"b\\c')", "toJSON(null)", "toJSON(1.5)", "toJSON(fromJSON('{}'))", "toJSON(fromJSON('[]'))", "toJSON(fromJSON('{\"a\":[]}'))",
    "fromJSON('[1, \"2\", null]')[1]", "fromJSON('{\"a\": {\"b\": true}}').a.b", "fromJSON('true') && 'yes'", "fromJSON('1e2')", "fromJSON('nope')", "fromJSON('')", "fromJSON(inputs.text)", "fromJSON(toJSON(inputs.deep)).b.x", "fromJSON('\"\\u0041\"')",
    "case(true, 'a', 'b')", "case(false, 'a', 'b')", "case(inputs.off, 1, inputs.on, 2, 3)", "case('x', 1, 2)", "case(true, 1)", "case(true, 1, false, 2)",
    "", " ", "1 +", "a", "github.", "github.[0]", "github..a", "(1", "1)", "(1))", "[1]", "'a", "\"a\"", "1 1", "github event", "foo()", "contains('a')", "contains('a','b','c')", "join()", "always()", "!", "1 = 1", "1 & 1", "a-b", "1a", "1.2.3", "--1",
    "'a'.b", "1.b", "true.x", "null[0]", "(github).event_name", "(inputs.list)[0]", "fromJSON('[7]')[0]", "github.*", "github[*]", "github.*.x", "inputs.list.*", "* ", "github.event.*.*", "((((1))))", "!(1 == 2)", "1 == 1 == 1", "1 != 1 == false", "1 < 2 == true", "5 > 4 > 3", "!1 < 2",
    "a".repeat(10), "(".repeat(40) + "1" + ")".repeat(40), "!".repeat(30) + "1", "1" + " == 1".repeat(30), "1" + " && 1".repeat(200), "github" + ".a".repeat(60),
];

let seed = Number(seedText);
function random(n) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 4294967296) * n);
}
const pick = list => list[random(list.length)];

const LEAVES = ["null", "true", "false", "0", "1", "2.5", "-3", "''", "'a'", "'A'", "'1'", "'0x10'", "'true'", "' 7 '", "inputs.list", "inputs.deep", "inputs.on", "inputs.off", "inputs.text", "inputs.nothing",
    "inputs.empty", "inputs.count", "inputs.half", "matrix.os", "matrix.gpu", "matrix.n", "github.event_name", "github.event.commits", "github.absent", "inputs.deep.a", "github.event.commits.*.n", "inputs.deep.*.x"];

function expression(depth) {
    if (depth === 0 || random(5) === 0)
        return pick(LEAVES);
    const sub = () => expression(depth - 1);
    switch (random(12)) {
        case 0: case 1: return `${sub()} ${pick(["==", "!=", "<", "<=", ">", ">="])} ${sub()}`;
        case 2: return `${sub()} && ${sub()}`;
        case 3: return `${sub()} || ${sub()}`;
        case 4: return `!${sub()}`;
        case 5: return `(${sub()})`;
        case 6: return `(${sub()})[${sub()}]`;
        case 7: return `(${sub()}).${pick(["a", "x", "id", "*", "b"])}`;
        case 8: return `${pick(["contains", "startsWith", "endsWith"])}(${sub()}, ${sub()})`;
        case 9: return `format('${pick(["{0}", "{0}-{1}", "{1}{0}", "x{{{0}}}", "{2}"])}', ${sub()}, ${sub()})`;
        case 10: return pick([`join(${sub()}, ${sub()})`, `join(${sub()})`, `case(${pick(["true", "false", "!1", "inputs.on", "'a' == 'A'"])}, ${pick(LEAVES)}, ${pick(LEAVES)})`]);
        default: return pick([`toJSON(${sub()})`, `fromJSON(toJSON(${sub()}))`, `fromJSON(${sub()})`]);
    }
}

const VALUES = ["a", "A", "b", 1, "1", 2, true, false, null, "", 3.5, { v: 1, w: "x" }, { v: 2 }, ["p", "q"]];
function matrix() {
    const keys = ["os", "version", "gpu"].slice(0, random(4)), m = {};
    for (const k of keys)
        m[k] = Array.from({ length: 1 + random(3) }, () => pick(VALUES));
    const mapping = (from, more) => {
        const o = {};
        for (const k of from)
            if (random(2) === 0)
                o[k] = m[k] && random(3) > 0 ? pick(m[k]) : pick(VALUES);
        if (more && random(2) === 0)
            o[pick(["extra", "label"])] = pick(VALUES);
        return o;
    };
    const list = (more) => Array.from({ length: random(4) }, () => mapping(keys, more)).filter(o => Object.keys(o).length > 0);
    const include = list(true), exclude = list(false);
    if (include.length > 0)
        m.include = include;
    if (exclude.length > 0)
        m.exclude = exclude;
    return m;
}

// The examples of GitHub's documentation, rows counted there.
const MATRICES = [
    { fruit: ["apple", "pear"], animal: ["cat", "dog"], include: [{ color: "green" }, { color: "pink", animal: "cat" }, { fruit: "apple", shape: "circle" }, { fruit: "banana" }, { fruit: "banana", animal: "cat" }] },
    { os: ["windows-latest", "ubuntu-latest"], node: [14, 16], include: [{ os: "windows-latest", node: 16, npm: 6 }] },
    { os: ["macos-latest", "windows-latest"], version: [12, 14, 16], include: [{ os: "windows-latest", version: 17 }] },
    { include: [{ site: "production", datacenter: "site-a" }, { site: "staging", datacenter: "site-b" }] },
    { os: ["macos-latest", "windows-latest"], version: [12, 14, 16], environment: ["staging", "production"], exclude: [{ os: "macos-latest", version: 12, environment: "production" }, { os: "windows-latest", version: 16 }] },
];

// ---- judging ----

const expressions = [...WRITTEN, ...Array.from({ length: 3000 }, () => expression(4))];
const matrices = [...MATRICES, ...Array.from({ length: 1000 }, matrix).filter(m => Object.keys(m).some(k => k !== "exclude"))];
const lines = [...expressions.map(expression => ({ expression, contexts: CONTEXTS })), ...matrices.map(m => ({ matrix: m }))];
const ran = spawnSync(tool, [], { input: lines.map(l => JSON.stringify(l) + "\n").join(""), encoding: "utf8", maxBuffer: 1 << 28 });
const ours = ran.stdout.split("\n").filter(Boolean).map(l => JSON.parse(l));

function report(name, wrong, total) {
    for (const w of wrong.slice(0, 12))
        console.log(`not ok workflow ${name}: ${w}`);
    if (wrong.length === 0)
        console.log(`ok workflow ${name}: ${total} agree`);
}

const clean = o => JSON.stringify(o.error !== undefined ? "refused" : o);
const spelled = o => (o.error === undefined && o.kind === "number" && o.json === "null" ? { ...o, json: o.text } : o); // NaN, Infinity in JSON
if (ours.length !== lines.length) {
    console.log(`not ok workflow: ${ours.length} answers to ${lines.length} questions`);
} else {
    const judge = (list, from) => list.flatMap((x, i) => {
        const a = clean(ours[from + i]), b = clean(spelled(theirs(x)));
        return a === b ? [] : [`${JSON.stringify(x)}: ours ${a} (${ours[from + i].error ?? ""}), theirs ${b} ${theirs(x).error ?? ""}`];
    });
    report("expressions as written", judge(WRITTEN, 0), WRITTEN.length);
    report("random expressions", judge(expressions.slice(WRITTEN.length), WRITTEN.length), expressions.length - WRITTEN.length);
    const wrong = matrices.flatMap((m, i) => {
        const mine = ours[expressions.length + i], want = rowsByTheRule(m);
        const a = (mine.rows ?? []).map(r => [r.name, JSON.parse(r.values)]), b = want.map(r => [r.name, r.values]);
        return JSON.stringify(a) === JSON.stringify(b) ? [] : [`${JSON.stringify(m)}: ours ${mine.error ?? JSON.stringify(a)}, the rule ${JSON.stringify(b)}`];
    });
    report("matrices by the documented rule", wrong, matrices.length);
    const counts = [6, 4, 7, 2, 9];
    report("the documentation's matrices", counts.flatMap((n, i) => (ours[expressions.length + i].rows?.length === n ? [] : [`example ${i}: ${ours[expressions.length + i].rows?.length} rows, ${n} there`])), counts.length);
    // The judge must be able to say no.
    console.log(clean({ kind: "string", text: "x", json: '"x"' }) === clean(spelled(theirs("'y'"))) ? "not ok workflow control" : "ok workflow control");
}
