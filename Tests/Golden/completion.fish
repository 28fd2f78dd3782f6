function __nbdctl_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __nbdctl_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __nbdctl_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __nbdctl_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __nbdctl_parse_tokens -S
    set -l unparsed_tokens (__nbdctl_tokens -pc)
    switch $unparsed_tokens[1]
    case 'nbdctl'
        __nbdctl_parse_subcommand 0 'version' 'h/help'
        switch $unparsed_tokens[1]
        case 'attach'
            __nbdctl_parse_subcommand 1 'socket=' 'wait=' 'name=' 'device=' 'read-only' 'shared' 'mount=' 'save' 'config=' 'by-id' 'json' 'version' 'h/help'
        case 'detach'
            __nbdctl_parse_subcommand 1 'socket=' 'force' 'json' 'version' 'h/help'
        case 'status'
            __nbdctl_parse_subcommand 1 'socket=' 'json' 'version' 'h/help'
        case 'reconnect'
            __nbdctl_parse_subcommand 1 'socket=' 'version' 'h/help'
        case 'fail'
            __nbdctl_parse_subcommand 1 'socket=' 'abandon' 'version' 'h/help'
        case 'reload'
            __nbdctl_parse_subcommand 0 'socket=' 'json' 'version' 'h/help'
        case 'prepare-shutdown'
            __nbdctl_parse_subcommand 0 'socket=' 'version' 'h/help'
        case 'watch'
            __nbdctl_parse_subcommand 1 'socket=' 'json' 'version' 'h/help'
        case 'metrics'
            __nbdctl_parse_subcommand 0 'socket=' 'http' 'version' 'h/help'
        case 'config'
            __nbdctl_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'check'
                __nbdctl_parse_subcommand 1 'version' 'h/help'
            case 'show'
                __nbdctl_parse_subcommand 1 'version' 'h/help'
            case 'schema'
                __nbdctl_parse_subcommand 1 'version' 'h/help'
            end
        case 'doctor'
            __nbdctl_parse_subcommand 0 'socket=' 'config=' 'fstab=' 'json' 'version' 'h/help'
        case 'import'
            __nbdctl_parse_subcommand 2 'socket=' 'running' 'save' 'config=' 'version' 'h/help'
        case 'forget'
            __nbdctl_parse_subcommand 1 'socket=' 'version' 'h/help'
        case 'list'
            __nbdctl_parse_subcommand 1 'timeout=' 'tls-certificates=' 'tls-psk-file=' 'tls-priority=' 'json' 'version' 'h/help'
        case 'info'
            __nbdctl_parse_subcommand 1 'timeout=' 'tls-certificates=' 'tls-psk-file=' 'tls-priority=' 'size' 'is=' 'can=' 'content' 'no-content' 'json' 'version' 'h/help'
        case 'map'
            __nbdctl_parse_subcommand 1 'timeout=' 'tls-certificates=' 'tls-psk-file=' 'tls-priority=' 'context=' 'json' 'version' 'h/help'
        case 'read'
            __nbdctl_parse_subcommand 1 'timeout=' 'tls-certificates=' 'tls-psk-file=' 'tls-priority=' 'offset=' 'length=' 'output=' 'version' 'h/help'
        case 'bench'
            __nbdctl_parse_subcommand 1 'timeout=' 'tls-certificates=' 'tls-psk-file=' 'tls-priority=' 'block-size=+' 'depth=+' 'seconds=' 'sequential' 'write' 'json' 'version' 'h/help'
        case 'help'
            __nbdctl_parse_subcommand -r 1 'version'
        end
    end
end

function __nbdctl_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __nbdctl_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __nbdctl_complete_directories
    set -l token (commandline -t)
    string match -- '*/' $token
    set -l subdirs $token*/
    printf %s\n $subdirs
end

function __nbdctl_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__nbdctl_tokens -p)
    if test -z "$(__nbdctl_tokens -t)"
        set -l index (count (__nbdctl_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'nbdctl' -f
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'attach' -d 'Attach a configured device by its name, or any export by its URI.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'detach' -d 'Unmount and detach a device.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'status' -d 'Show all devices, or one in detail.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'reconnect' -d 'Reconnect a device to its server now.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'fail' -d 'Fail the requests that wait for a server, with I/O errors.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'reload' -d 'Make nbdd read its configuration again.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'prepare-shutdown' -d 'Tell nbdd that the machine is going to shut down.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'watch' -d 'Print the current state, then every change, until interrupted.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'metrics' -d 'Print figures of all devices for Prometheus.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'config' -d 'Check and show nbdd\'s configuration, or print its schemas.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'doctor' -d 'Look for what is wrong with this machine, and say what mends it.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'import' -d 'Make device files of what nbd-client or qemu-nbd attaches.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'forget' -d 'Detach a device, and remove its file from the configuration.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'list' -d 'List the exports of a server.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'info' -d 'Show what a server reports about an export.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'map' -d 'Show which parts of an export are data, zeroes and holes.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'read' -d 'Read an export into a file or a pipe.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'bench' -d 'Measure latency and throughput of an export.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl attach" -eq 1' -fka '(__nbdctl_custom_completion ---completion attach -- positional@0 (count (__nbdctl_tokens -pc)) (__nbdctl_tokens -tC))'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" wait' -l 'wait' -d 'Keep retrying for up to this long (for example 30s or 5min).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" name' -l 'name' -d 'Name of the device (default: made from the URI).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" device' -l 'device' -d 'Kernel device, for example nbd3 (default: the first free one).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" read-only' -l 'read-only' -d 'Attach read-only.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" shared' -l 'shared' -d 'Allow another device to have the same export: for a cluster file system.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" mount' -l 'mount' -d 'Mount it at this path.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" save' -l 'save' -d 'Write a device file as well, so that it is attached at every start.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" config' -l 'config' -d 'The configuration to write to.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" by-id' -l 'by-id' -d 'Print the path in /dev/disk/by-id, which stays the same.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl attach" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl detach" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl detach" -eq 1' -fka '(__nbdctl_custom_completion ---completion detach -- positional@0 (count (__nbdctl_tokens -pc)) (__nbdctl_tokens -tC))'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl detach" force' -l 'force' -d 'Detach even if the device is in use or its server does not respond.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl detach" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl detach" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl detach" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl status" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl status" -eq 1' -fka '(__nbdctl_custom_completion ---completion status -- positional@0 (count (__nbdctl_tokens -pc)) (__nbdctl_tokens -tC))'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl status" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl status" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl status" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl reconnect" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl reconnect" -eq 1' -fka '(__nbdctl_custom_completion ---completion reconnect -- positional@0 (count (__nbdctl_tokens -pc)) (__nbdctl_tokens -tC))'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl reconnect" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl reconnect" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl fail" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl fail" -eq 1' -fka '(__nbdctl_custom_completion ---completion fail -- positional@0 (count (__nbdctl_tokens -pc)) (__nbdctl_tokens -tC))'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl fail" abandon' -l 'abandon' -d 'Give up for good: drop acknowledged writes that were not flushed, and do not reconnect.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl fail" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl fail" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl reload" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl reload" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl reload" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl reload" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl prepare-shutdown" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl prepare-shutdown" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl prepare-shutdown" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl watch" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl watch" -eq 1' -fka '(__nbdctl_custom_completion ---completion watch -- positional@0 (count (__nbdctl_tokens -pc)) (__nbdctl_tokens -tC))'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl watch" json' -l 'json' -d 'Print one JSON object per line.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl watch" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl watch" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl metrics" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl metrics" http' -l 'http' -d 'Answer one HTTP request on standard input, as a service of a systemd socket.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl metrics" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl metrics" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl config" -eq 1' -fa 'check' -d 'Print every fault of the configuration, or of one file for it.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl config" -eq 1' -fa 'show' -d 'Print the configuration with all defaults, as JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl config" -eq 1' -fa 'schema' -d 'Print the JSON Schema (2020-12) of a kind of file.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl config check" -eq 1' -F
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config check" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config check" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl config show" -eq 1' -F
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config show" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config show" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl config schema" -eq 1' -fka 'device nbdd'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config schema" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl config schema" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl doctor" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl doctor" config' -l 'config' -d 'nbdd\'s configuration.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl doctor" fstab' -l 'fstab' -d 'The mounts of the boot.' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl doctor" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl doctor" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl doctor" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl import" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl import" -eq 1' -fka 'nbdtab'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl import" -eq 2' -F
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl import" running' -l 'running' -d 'Import what other programs have attached now, by their command lines. For root.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl import" save' -l 'save' -d 'Write the files.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl import" config' -l 'config' -d 'The configuration to write to.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl import" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl import" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl forget" socket' -l 'socket' -d 'The control socket of nbdd (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_positional "nbdctl forget" -eq 1' -fka '(__nbdctl_custom_completion ---completion forget -- positional@0 (count (__nbdctl_tokens -pc)) (__nbdctl_tokens -tC))'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl forget" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl forget" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl list" timeout' -l 'timeout' -d 'How long to wait (for example 500ms or 5min).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl list" tls-certificates' -l 'tls-certificates' -d 'Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl list" tls-psk-file' -l 'tls-psk-file' -d 'File with the pre-shared key.' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl list" tls-priority' -l 'tls-priority' -d 'The priority string of GnuTLS.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl list" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl list" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl list" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" timeout' -l 'timeout' -d 'How long to wait (for example 500ms or 5min).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" tls-certificates' -l 'tls-certificates' -d 'Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" tls-psk-file' -l 'tls-psk-file' -d 'File with the pre-shared key.' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" tls-priority' -l 'tls-priority' -d 'The priority string of GnuTLS.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" size' -l 'size' -d 'Print only the size in bytes.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" is' -l 'is' -d 'Test a property of the export or the connection.' -rfka 'read-only rotational tls'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" can' -l 'can' -d 'Test whether the server supports an operation.' -rfka 'cache connect df fast-zero flush fua multi-conn read structured-reply trim write zero'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" content' -l 'content' -d 'Read the beginning, and have file(1) say what it is.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" no-content' -l 'no-content' -d 'Read the beginning, and have file(1) say what it is.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl info" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" timeout' -l 'timeout' -d 'How long to wait (for example 500ms or 5min).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" tls-certificates' -l 'tls-certificates' -d 'Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" tls-psk-file' -l 'tls-psk-file' -d 'File with the pre-shared key.' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" tls-priority' -l 'tls-priority' -d 'The priority string of GnuTLS.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" context' -l 'context' -d 'The metadata context to ask for.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl map" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" timeout' -l 'timeout' -d 'How long to wait (for example 500ms or 5min).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" tls-certificates' -l 'tls-certificates' -d 'Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" tls-psk-file' -l 'tls-psk-file' -d 'File with the pre-shared key.' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" tls-priority' -l 'tls-priority' -d 'The priority string of GnuTLS.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" offset' -l 'offset' -d 'Where to begin, for example 4096 (bytes) or 8MiB (default: 0).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" length' -l 'length' -d 'How much to read, for example 4096 (bytes) or 8MiB (default: to the end).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" output' -l 'output' -d 'The file or block device to write, or - for standard output.' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl read" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" timeout' -l 'timeout' -d 'How long to wait (for example 500ms or 5min).' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" tls-certificates' -l 'tls-certificates' -d 'Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.' -rfa '(__nbdctl_complete_directories)'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" tls-psk-file' -l 'tls-psk-file' -d 'File with the pre-shared key.' -rF
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" tls-priority' -l 'tls-priority' -d 'The priority string of GnuTLS.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench"' -l 'block-size' -d 'Sizes of requests, for example 4KiB,1MiB; can be repeated.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench"' -l 'depth' -d 'Numbers of requests in flight, for example 1,16; can be repeated.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" seconds' -l 'seconds' -d 'How long to measure each size with each depth.' -rfka ''
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" sequential' -l 'sequential' -d 'Read or write one block after the other, not at random.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" write' -l 'write' -d 'Write instead of reading. THIS DESTROYS WHAT THE EXPORT CONTAINS.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" json' -l 'json' -d 'Print JSON.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" version' -l 'version' -d 'Show the version.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl bench" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'nbdctl' -n '__nbdctl_should_offer_completions_for_flags_or_options "nbdctl help" version' -l 'version' -d 'Show the version.'