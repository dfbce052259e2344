// The rendered Windows bootstrap, parsed by tree-sitter-powershell. usage: node powershell.js NODE_MODULES RENDER_BOOTSTRAP
'use strict';
const { execFileSync } = require('child_process');
const [modules, tool] = process.argv.slice(2);
const { Parser, Language } = require(`${modules}/web-tree-sitter/web-tree-sitter.cjs`);

// What the script may call, with the parameters that Microsoft documents for Windows PowerShell 5.1.
const cmdlets = {
    'Add-Content': 'Path Value', 'Add-LocalGroupMember': 'SID Member', 'ConvertTo-Json': '', 'ConvertTo-SecureString': 'AsPlainText Force',
    'Enable-LocalUser': 'Name', 'Expand-Archive': 'LiteralPath Path DestinationPath Force', 'ForEach-Object': '', 'Get-Content': 'ErrorAction Tail',
    'Get-Date': '', 'Get-FileHash': 'Path Algorithm', 'Get-Item': '', 'Get-LocalUser': 'Name ErrorAction', 'Get-Process': 'Id ErrorAction',
    'New-Item': 'ItemType Path Force', 'New-LocalUser': 'Name Password PasswordNeverExpires AccountNeverExpires', 'New-Object': '',
    'New-ScheduledTaskAction': 'Execute Argument', 'New-ScheduledTaskPrincipal': 'UserId LogonType RunLevel',
    'New-ScheduledTaskSettingsSet': 'AllowStartIfOnBatteries DontStopIfGoingOnBatteries ExecutionTimeLimit Priority MultipleInstances',
    'New-ScheduledTaskTrigger': 'AtStartup Once At RepetitionInterval AtLogOn User', 'New-TimeSpan': 'Minutes', 'Out-Null': '',
    'Register-ScheduledTask': 'TaskName Action Trigger Principal Settings Force User Password RunLevel', 'Remove-Item': 'ErrorAction',
    'Select-Object': 'First Last', 'Set-Content': 'Value NoNewline', 'Set-ExecutionPolicy': 'ExecutionPolicy Scope Force',
    'Set-ItemProperty': 'Name Value Type', 'Set-LocalUser': 'Name Password PasswordNeverExpires', 'Start-Process': 'FilePath ArgumentList NoNewWindow PassThru RedirectStandardOutput',
    'Start-ScheduledTask': 'TaskName', 'Start-Sleep': 'Seconds', 'Stop-Computer': 'Force', 'Test-Path': '', 'Where-Object': '', 'Write-Host': '',
};

// Each ends a quotation of some reader, if it is not taken for data.
const hostile = ['\'; Stop-Computer; \'', '"$(Stop-Computer)`n"', '\u2019; Stop-Computer; \u2019', '\u0452; Stop-Computer #', '</powershell>', '@\'', '<#', '\u{1f680}', '%PATH%', 'tab\there'];

let failed = 0;
function report(name, problems) {
    if (problems.length > 0)
        failed = 1;
    console.log(problems.length === 0 ? `ok ${name}` : `not ok ${name}: ${problems.slice(0, 5).join('; ')}`);
}

function render(cloud, values, extra) {
    const env = { ...process.env, SYSTEM: 'windows', CLOUD: cloud, JIT: 'anVzdCBhIHRlc3Q=', MAX: '524288', GPUS: '1', GPU_MEMORY: '16',
        ENV_VARS: JSON.stringify(Object.fromEntries(values.map((v, i) => [`V${i}`, v]))),
        SETUP_INFO: JSON.stringify(values.map((v) => ({ group: v, detail: v }))), EXTRA: JSON.stringify(extra) };
    return execFileSync(tool, ['muster-test', 't4', 'https://example.com/runner.zip', '0'.repeat(64), '1767225600', '900'], { env, encoding: 'utf8' });
}

// What the cloud's agent takes off.
function unwrapped(cloud, text) {
    const ends = { aws: ['<powershell>\n', '</powershell>\n'], openstack: ['#ps1_sysnative\n', ''], oracle: ['#ps1_sysnative\n', ''] }[cloud] || ['', ''];
    if (!text.startsWith(ends[0]) || !text.endsWith(ends[1]))
        throw new Error(`${cloud}: it is not wrapped as it should be`);
    const inner = text.slice(ends[0].length, text.length - ends[1].length);
    if (inner.includes('powershell>') || inner.includes('persist>'))
        throw new Error(`${cloud}: its wrapping would end early`);
    return inner;
}

function walk(node, visit) {
    visit(node);
    for (let i = 0; i < node.childCount; i++)
        walk(node.child(i), visit);
}

function errors(tree) {
    const found = [];
    walk(tree.rootNode, (n) => {
        if (n.type === 'ERROR' || n.isMissing)
            found.push(`line ${n.startPosition.row + 1}: ${n.isMissing ? `${n.type} is missing` : n.text.slice(0, 60)}`);
    });
    return found;
}

// The kinds of all nodes in their order: a value that became code changes it.
function shape(tree) {
    const kinds = [];
    walk(tree.rootNode, (n) => kinds.push(n.type));
    return kinds;
}

function functions(tree) {
    const names = new Set();
    walk(tree.rootNode, (n) => {
        if (n.type === 'function_name')
            names.add(n.text);
    });
    return names;
}

function strangers(tree) {
    const own = functions(tree), found = [];
    walk(tree.rootNode, (n) => {
        if (n.type !== 'command')
            return;
        const name = n.childForFieldName('command_name');
        if (name === null || name.type !== 'command_name' || own.has(name.text))
            return;
        const known = cmdlets[name.text];
        if (known === undefined)
            return found.push(`line ${n.startPosition.row + 1}: ${name.text} is no command we meant`);
        walk(n, (p) => {
            // Parameters of a command within this one are its own.
            let c = p.parent;
            while (c !== null && c.type !== 'command')
                c = c.parent;
            if (p.type === 'command_parameter' && c !== null && c.id === n.id && !known.split(' ').includes(p.text.slice(1)))
                found.push(`line ${p.startPosition.row + 1}: ${name.text} has no parameter ${p.text}`);
        });
    });
    return found;
}

function problems(parser, text) {
    const tree = parser.parse(text);
    return [...errors(tree), ...strangers(tree)];
}

async function main() {
    await Parser.init();
    const parser = new Parser();
    parser.setLanguage(await Language.load(`${modules}/tree-sitter-powershell/tree-sitter-powershell.wasm`));
    const extras = [null, { run_as: 'interactive', runner_user: 'builder', runner_path: 'D:\\work\\r' }];

    for (const cloud of ['aws', 'azure', 'gcp', 'openstack', 'oracle']) {
        const found = [];
        for (const extra of extras)
            found.push(...problems(parser, unwrapped(cloud, render(cloud, [], extra))), ...problems(parser, unwrapped(cloud, render(cloud, hostile, extra))));
        report(`powershell__the_script_for_${cloud}_parses_and_calls_what_it_means`, found);
    }

    // \u00e9: not plain either, and harmless.
    const calm = parser.parse(render('gcp', hostile.map(() => '\u00e9'), null)), wild = parser.parse(render('gcp', hostile, null));
    report('powershell__no_value_of_a_stranger_becomes_code', shape(calm).join() === shape(wild).join() ? [] : ['the syntax trees differ']);

    const script = render('gcp', [], null);
    const broken = {
        a_brace_that_is_missing: script.replace('function Say {', 'function Say '),
        a_quotation_without_end: script.replace("$job\\started\"", '$job\\started'),
        a_value_that_ends_its_quotation: script.replace("'muster-test'", "'muster-test'; Stop-Computer; ''"),
        a_misspelt_command: script.replace('Start-Sleep', 'Start-Slep'),
        a_parameter_that_is_none: script.replace('-NoNewline', '-NoLine'),
    };
    for (const [name, text] of Object.entries(broken)) {
        const seen = text !== script && (problems(parser, text).length > 0 || shape(parser.parse(text)).join() !== shape(parser.parse(script)).join());
        report(`powershell__control__${name}_is_found`, seen ? [] : ['it was not']);
    }
    process.exit(failed);
}
main().catch((e) => {
    console.log(`not ok powershell: ${e.message.split('\n')[0]}`);
    process.exit(1);
});
