# Completion for fish. Load it with: kubectl glasskube purge completion fish | source

function __kubectl_glasskube_purge
    set -l words (commandline -opc)
    set -l begun (commandline -ct)
    set -l answer ($words[1] __complete $words[2..-1] $begun 2>/dev/null)
    test (count $answer) -gt 0; or return
    set -l directive (string sub -s 2 -- $answer[-1])
    set -e answer[-1]
    set -l prefix (string match -r -- '^--[^=]*=' $begun)
    # An empty list would swallow whatever it stands before.
    set -q prefix[1]; or set prefix ''
    set -l typed (string replace -r -- '^--[^=]*=' '' $begun)
    if test (math "bitand($directive, 8)") -ne 0
        for extension in $answer
            for file in $typed*.$extension
                echo $prefix$file
            end
        end
        for folder in $typed*/
            echo $prefix$folder
        end
        return
    end
    for line in $answer
        echo $prefix$line
    end
    if test (math "bitand($directive, 4)") -eq 0
        for file in $typed*
            echo $prefix$file
        end
    end
end

for name in kubectl-glasskube_purge kubectl-glasskube-purge
    complete -c $name -e
    complete -c $name -f -a '(__kubectl_glasskube_purge)'
end
