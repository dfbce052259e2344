$ErrorActionPreference = 'Stop'; function Text($base64) { [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($base64)) }
# Turns a fresh Windows machine into one GitHub Actions runner for one job, and powers it off afterwards, whatever
# happens. For Windows PowerShell 5.1, as every Windows since Server 2016 and Windows 10 has it. muster puts the
# parameters right below the first line and embeds the script without comments, blank lines and indentation (embed.awk):
# plain ASCII only, no here-strings, no block comments.
#
# It never ran on Windows: it was written from Microsoft's documentation and is parsed by an independent grammar
# (tests/conformance/powershell.sh). Whoever runs it first should read C:\muster\log.
#
# Parameters: $MusterName. $MusterSetup: JSON, what "Set up job" shows. $MusterEnv: an array of NAME=value without line
#   breaks, for every process of the machine. $MusterGpus: so many GPUs must answer before the runner registers, 0 =
#   none; $MusterGpuMemory: each with so many GiB, 0 = any. $MusterUrl, $MusterSha256: the runner's zip. $MusterExpires:
#   Unix seconds, power off then. $MusterDeadline: seconds from the start within which a job must have started.
#   $MusterUser, $MusterPath: account and folder of the runner. $MusterInteractive: 1 = in a desktop session.
#   $MusterJit: the runner's single-use configuration; given to the runner by environment only.
#
# Three processes: this script prepares; the task muster-runner runs the runner as $MusterUser; the task muster-watchdog
# (SYSTEM, started first, again at each start of the machine and each minute) powers off. They tell each other by files
# below C:\muster: began, script, ready, restart; and in job, which the runner may write: started, runner, code, log.
$ProgressPreference = 'SilentlyContinue'
$state = "$env:SystemDrive\muster"
$system = "$env:SystemRoot\System32"
$job = "$state\job"

# One line to the log, to standard output and to the serial console, which the cloud may let its owner read.
function Say {
    param($text)
    $line = "muster: stage $text"
    Write-Host $line
    try { Add-Content "$state\log" -Value $line } catch { }
    try {
        $port = New-Object IO.Ports.SerialPort 'COM1', 115200
        $port.WriteTimeout = 2000
        $port.Open()
        $port.WriteLine($line)
        $port.Close()
    } catch { }
}

function PowerOff {
    param($why)
    Say "power-off: $why"
    & "$system\shutdown.exe" /s /f /t 0
    Start-Sleep -Seconds 60
    Stop-Computer -Force
}

# --- watchdog --------------------------------------------------------------------------------------------------------

function IsAlive {
    param($file)
    $id = Get-Content $file -ErrorAction SilentlyContinue
    ($id -match '^\d+$') -and [bool](Get-Process -Id $id -ErrorAction SilentlyContinue)
}

# Milliseconds since the start of the machine.
function Uptime {
    [long]([Environment]::TickCount -band [int]::MaxValue)
}

# A key that no restart of the machine outlives.
function MarkStart {
    [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\muster', [Microsoft.Win32.RegistryKeyPermissionCheck]'ReadWriteSubTree', [Microsoft.Win32.RegistryOptions]'Volatile') | Out-Null
}

# Why the machine must end now; nothing while it may go on.
function Verdict {
    param($elapsed)
    $now = ([DateTime]::UtcNow - [DateTime]'1970-01-01').TotalSeconds
    if ($now -ge $MusterExpires) { return 'its lifetime is over' }
    if (-not (Test-Path "$job\started") -and $elapsed -ge $MusterDeadline) {
        return "no job started within $MusterDeadline s"
    }
    if (Test-Path "$job\runner") {
        if (IsAlive "$job\runner") { return }
        $code = Get-Content "$job\code" -ErrorAction SilentlyContinue
        if (Test-Path "$job\started") { return 'the job is done' }
        if ($code -eq 7) { return 'GitHub refuses this version of the runner' }
        $words = Get-Content "$job\log" -Tail 4 -ErrorAction SilentlyContinue
        return "the runner ended ($code) without a job: $words"
    }
    if (-not (Test-Path "$state\ready") -and -not (IsAlive "$state\script")) { 'the bootstrap is gone' }
}

function Watch {
    $began = [long](Get-Content "$state\began")
    if (-not (Test-Path 'HKLM:\SOFTWARE\muster')) {
        if (-not (Test-Path "$state\restart")) { PowerOff 'the machine was restarted' }
        Remove-Item "$state\restart" -ErrorAction SilentlyContinue
        $began = 0
        Set-Content "$state\began" -Value $began
        MarkStart
    }
    $before = ((Uptime) - $began) / 1000
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $told = $false
    while ($true) {
        $why = Verdict ($before + $clock.Elapsed.TotalSeconds)
        if ($why) { PowerOff $why }
        if (-not $told -and (Test-Path "$job\started")) {
            $told = $true
            Say 'job-started'
        }
        Start-Sleep -Seconds 5
    }
}

function Action {
    param($file)
    New-ScheduledTaskAction -Execute "$system\WindowsPowerShell\v1.0\powershell.exe" -Argument "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File $file"
}

# Tasks have a low priority and three days by default.
function Settings {
    New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -ExecutionTimeLimit ([TimeSpan]::Zero) -Priority 4 -MultipleInstances IgnoreNew
}

function StartWatchdog {
    $text = @('$ErrorActionPreference = ''Continue''', "`$state = '$state'", "`$job = '$job'", "`$system = '$system'", "`$MusterExpires = $MusterExpires", "`$MusterDeadline = $MusterDeadline")
    foreach ($name in 'Say', 'PowerOff', 'IsAlive', 'Uptime', 'MarkStart', 'Verdict', 'Watch') {
        $text += "function $name {", (Get-Item "function:$name").Definition, '}'
    }
    Set-Content "$state\watchdog.ps1" -Value ($text + 'Watch')
    $who = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -LogonType ServiceAccount -RunLevel Highest
    $triggers = (New-ScheduledTaskTrigger -AtStartup), (New-ScheduledTaskTrigger -Once -At (Get-Date) -RepetitionInterval (New-TimeSpan -Minutes 1))
    Register-ScheduledTask -TaskName 'muster-watchdog' -Action (Action "$state\watchdog.ps1") -Trigger $triggers -Principal $who -Settings (Settings) -Force | Out-Null
    Start-ScheduledTask -TaskName 'muster-watchdog'
}

# --- GPU -------------------------------------------------------------------------------------------------------------

function AskGpu {
    param($question)
    $smi = @("$system\nvidia-smi.exe", "$env:ProgramFiles\NVIDIA Corporation\NVSMI\nvidia-smi.exe") | Where-Object { Test-Path $_ } | Select-Object -First 1
    if (-not $smi) { throw 'GPU: no nvidia-smi; on Windows the image must bring the driver' }
    $asked = Start-Process -FilePath $smi -ArgumentList $question -NoNewWindow -PassThru -RedirectStandardOutput "$state\gpu"
    if (-not $asked.WaitForExit(60000)) {
        $asked.Kill()
        throw 'GPU: nvidia-smi did not answer within 60 s'
    }
    @(Get-Content "$state\gpu")
}

# As many as were asked for, each as big? The driver keeps up to 8 % of the memory that a GPU is sold with.
function CheckGpu {
    $found = @(AskGpu '-L' | Where-Object { $_ -match '^GPU \d' })
    $n = $found.Count
    if ($MusterGpuMemory -gt 0) {
        $sizes = AskGpu '--query-gpu=memory.total --format=csv,noheader,nounits'
        $n = @($sizes | Where-Object { $_ -match '^\s*\d+\s*$' -and [int]$_ -ge $MusterGpuMemory * 922 }).Count
    }
    if ($n -lt $MusterGpus) { throw "GPU: $MusterGpus with at least $MusterGpuMemory GB asked for, $n here: $found" }
    Say "gpu: $found"
    $detail = ConvertTo-Json ($found -join "`n")
    $script:MusterSetup = $MusterSetup.Substring(0, $MusterSetup.Length - 1) + ",{`"group`":`"GPU`",`"detail`":$detail}]"
}

# --- the runner ------------------------------------------------------------------------------------------------------

# GitHub refuses runners older than 2.329.0.
function IsRecent {
    param($folder)
    if (-not (Test-Path "$folder\bin\Runner.Listener.exe")) { return $false }
    $version = (& "$folder\bin\Runner.Listener.exe" --version | Select-Object -Last 1) -as [Version]
    if ($version -lt [Version]'2.329.0') { return $false }
    Say "runner: $version of the image"
    $true
}

function Download {
    param($file)
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    for ($try = 1; ; $try++) {
        try { return (New-Object Net.WebClient).DownloadFile($MusterUrl, $file) } catch {
            if ($try -ge 5) { throw "runner download: $_" }
            Start-Sleep -Seconds 5
        }
    }
}

# The folder that the runner is in.
function GetRunner {
    foreach ($folder in $MusterPath, "$env:SystemDrive\actions-runner") {
        if (IsRecent $folder) { return $folder }
    }
    Say "runner: download $MusterUrl"
    Download "$state\runner.zip"
    $sum = (Get-FileHash "$state\runner.zip" -Algorithm SHA256).Hash.ToLowerInvariant()
    if ($sum -ne $MusterSha256) { throw "runner download: its SHA-256 is $sum, not $MusterSha256" }
    New-Item -ItemType Directory -Path $MusterPath -Force | Out-Null
    Expand-Archive "$state\runner.zip" -DestinationPath $MusterPath -Force
    Remove-Item "$state\runner.zip"
    $MusterPath
}

# .env is for the runner and its jobs, the registry for whatever else starts from now on. Without these Windows itself
# does not start: they are the job's alone.
function Configure {
    param($runner)
    $vital = 'Path', 'PATHEXT', 'SystemRoot', 'SystemDrive', 'windir', 'ComSpec', 'PSModulePath', 'TEMP', 'TMP'
    $registry = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    foreach ($pair in $MusterEnv) {
        $name, $value = $pair.Split('=', 2)
        if ($vital -notcontains $name) { Set-ItemProperty $registry -Name $name -Value $value }
    }
    $hook = "$state\job-started.ps1"
    Set-Content $hook -Value "Set-Content '$job\started' -Value 1", 'exit 0'
    $lines = @('') + $MusterEnv + "ACTIONS_RUNNER_HOOK_JOB_STARTED=$hook" + ''
    $utf8 = New-Object Text.UTF8Encoding $false
    [IO.File]::AppendAllText("$runner\.env", ($lines -join "`r`n"), $utf8)
    [IO.File]::WriteAllText("$runner\.setup_info", $MusterSetup, $utf8)
    try { Set-ExecutionPolicy -ExecutionPolicy RemoteSigned -Scope LocalMachine -Force } catch { }
}

# A password that nobody knows, also where the image has the account already; an administrator, as on GitHub's own
# Windows runners: the machine is the boundary.
function GetAccount {
    $bytes = New-Object byte[] 24
    [Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($bytes)
    $password = [Convert]::ToBase64String($bytes) + 'aA1!'
    $secure = ConvertTo-SecureString $password -AsPlainText -Force
    if (Get-LocalUser -Name $MusterUser -ErrorAction SilentlyContinue) {
        Set-LocalUser -Name $MusterUser -Password $secure -PasswordNeverExpires $true
        Enable-LocalUser -Name $MusterUser
    } else {
        New-LocalUser -Name $MusterUser -Password $secure -PasswordNeverExpires -AccountNeverExpires | Out-Null
    }
    try { Add-LocalGroupMember -SID 'S-1-5-32-544' -Member $MusterUser } catch { }
    $password
}

# The next start of the machine logs the runner's account on, which starts the task.
function LogOnAtStart {
    param($password)
    $winlogon = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon'
    $values = @{ AutoAdminLogon = '1'; DefaultUserName = $MusterUser; DefaultPassword = $password; DefaultDomainName = $env:COMPUTERNAME }
    foreach ($name in $values.Keys) { Set-ItemProperty $winlogon -Name $name -Value $values[$name] }
    $questions = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\OOBE'
    New-Item -Path $questions -Force | Out-Null
    Set-ItemProperty $questions -Name DisablePrivacyExperience -Value 1 -Type DWord
}

# The configuration holds a private key: in a file of the runner's account until its process has it in its environment.
function StartRunner {
    param($runner)
    $password = GetAccount
    & "$system\icacls.exe" $job /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' "${MusterUser}:(OI)(CI)M" | Out-Null
    Set-Content "$job\jit" -Value $MusterJit -NoNewline
    $text = @(
        "`$env:ACTIONS_RUNNER_INPUT_JITCONFIG = Get-Content '$job\jit'"
        "Remove-Item '$job\jit'"
        "Remove-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon' -Name DefaultPassword -ErrorAction SilentlyContinue"
        '$env:ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE = 1'
        "Set-Content '$job\runner' -Value `$PID"
        "Set-Location '$runner'"
        "& .\run.cmd *> '$job\log'"
        "Set-Content '$job\code' -Value `$LASTEXITCODE"
    )
    Set-Content "$state\run.ps1" -Value $text
    $account = "$env:COMPUTERNAME\$MusterUser"
    $action = Action "$state\run.ps1"
    if ($MusterInteractive) {
        LogOnAtStart $password
        $who = New-ScheduledTaskPrincipal -UserId $account -LogonType Interactive -RunLevel Highest
        Register-ScheduledTask -TaskName 'muster-runner' -Action $action -Trigger (New-ScheduledTaskTrigger -AtLogOn -User $account) -Principal $who -Settings (Settings) -Force | Out-Null
        Set-Content "$state\restart", "$state\ready" -Value 1
        Say 'runner: restarting, to log on'
        & "$system\shutdown.exe" /r /f /t 10
    } else {
        Register-ScheduledTask -TaskName 'muster-runner' -Action $action -User $account -Password $password -Settings (Settings) -RunLevel Highest -Force | Out-Null
        Say 'runner: start'
        Start-ScheduledTask -TaskName 'muster-runner'
        Set-Content "$state\ready" -Value 1
    }
}

# Some clouds run their user-data at each start of the machine.
if (Test-Path "$state\began") { exit 0 }
try {
    New-Item -ItemType Directory -Path $job -Force | Out-Null
    & "$system\icacls.exe" $state /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
    Set-Content "$state\script" -Value $PID
    Set-Content "$state\began" -Value (Uptime)
    MarkStart
    StartWatchdog
    Say "start: $MusterName"
    if ($MusterGpus -gt 0) { CheckGpu }
    $runner = GetRunner
    Configure $runner
    StartRunner $runner
} catch {
    PowerOff "failed: $_"
}
