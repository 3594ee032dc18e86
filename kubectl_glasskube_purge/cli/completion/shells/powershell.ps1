# Completion for PowerShell. Load it with:
# kubectl glasskube purge completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName 'kubectl-glasskube_purge', 'kubectl-glasskube-purge' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    $rest = @($words | Select-Object -Skip 1)
    # An empty word, which the cursor stands at, is no element of the command.
    if ($wordToComplete -eq '') { $rest += '""' }
    $answer = @(& $words[0] __complete @rest 2>$null)
    if ($answer.Count -eq 0) { return }
    $directive = [int]$answer[-1].Substring(1)
    $prefix = ''
    $typed = $wordToComplete
    if ($wordToComplete -match '^(--[^=]+=)(.*)$') { $prefix = $Matches[1]; $typed = $Matches[2] }
    $offered = @($answer | Select-Object -SkipLast 1)
    if ($directive -band 8) {
        $offered = @(Get-ChildItem -Path "$typed*" |
            Where-Object { $_.PSIsContainer -or $offered -contains $_.Extension.TrimStart('.') } |
            ForEach-Object { Resolve-Path -Relative $_.FullName })
    }
    $offered | ForEach-Object {
        $value, $description = $_ -split "`t", 2
        if (-not $description) { $description = $value }
        [System.Management.Automation.CompletionResult]::new("$prefix$value", $value, 'ParameterValue', $description)
    }
}
