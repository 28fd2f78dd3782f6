#compdef nbdctl

__nbdctl_complete() {
    local -ar non_empty_completions=("${@:#(|:*)}")
    local -ar empty_completions=("${(M)@:#(|:*)}")
    _describe -V '' non_empty_completions -- empty_completions -P $'\'\''
}

__nbdctl_custom_complete() {
    local -a completions
    completions=("${(@f)"$("${command_name}" "${@}" "${command_line[@]}")"}")
    if [[ "${#completions[@]}" -gt 1 ]]; then
        __nbdctl_complete "${completions[@]:0:-1}"
    fi
}

__nbdctl_cursor_index_in_current_word() {
    if [[ -z "${QIPREFIX}${IPREFIX}${PREFIX}" ]]; then
        printf 0
    else
        printf %s "${#${(z)LBUFFER}[-1]}"
    fi
}

_nbdctl() {
    emulate -RL zsh -G
    setopt extendedglob nullglob numericglobsort
    unsetopt aliases banghist

    local -xr SAP_SHELL=zsh
    local -x SAP_SHELL_VERSION
    SAP_SHELL_VERSION="$(builtin emulate zsh -c 'printf %s "${ZSH_VERSION}"')"
    local -r SAP_SHELL_VERSION

    local context state state_descr line
    local -A opt_args

    local -r command_name="${words[1]}"
    local -ar command_line=("${words[@]}")
    local -ir current_word_index="$((CURRENT - 1))"

    local -i ret=1
    local -ar arg_specs=(
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
        '(-): :->command'
        '(-)*:: :->arg'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0
    case "${state}" in
    command)
        local -ar subcommands=(
            'attach:Attach a configured device by its name, or any export by its URI.'
            'detach:Unmount and detach a device.'
            'status:Show all devices, or one in detail.'
            'reconnect:Reconnect a device to its server now.'
            'fail:Fail the requests that wait for a server, with I/O errors.'
            'reload:Make nbdd read its configuration again.'
            'prepare-shutdown:Tell nbdd that the machine is going to shut down.'
            'watch:Print the current state, then every change, until interrupted.'
            'metrics:Print figures of all devices for Prometheus.'
            'config:Check and show nbdd'\''s configuration, or print its schemas.'
            'doctor:Look for what is wrong with this machine, and say what mends it.'
            'import:Make device files of what nbd-client or qemu-nbd attaches.'
            'forget:Detach a device, and remove its file from the configuration.'
            'list:List the exports of a server.'
            'info:Show what a server reports about an export.'
            'map:Show which parts of an export are data, zeroes and holes.'
            'read:Read an export into a file or a pipe.'
            'bench:Measure latency and throughput of an export.'
            'help:Show subcommand help information.'
        )
        _describe -V subcommand subcommands && ret=0
        ;;
    arg)
        case "${words[1]}" in
        attach|detach|status|reconnect|fail|reload|prepare-shutdown|watch|metrics|config|doctor|import|forget|list|info|map|read|bench|help)
            "_nbdctl_${words[1]}" && ret=0
            ;;
        esac
        ;;
    esac

    return "${ret}"
}

_nbdctl_attach() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':NAME|URI:{__nbdctl_custom_complete ---completion attach -- positional@0 "${current_word_index}" "$(__nbdctl_cursor_index_in_current_word)"}'
        '--wait[Keep retrying for up to this long (for example 30s or 5min).]:TIME:'
        '--name[Name of the device (default\: made from the URI).]:NAME:'
        '--device[Kernel device, for example nbd3 (default\: the first free one).]:NBDN:'
        '--read-only[Attach read-only.]'
        '--shared[Allow another device to have the same export\: for a cluster file system.]'
        '--mount[Mount it at this path.]:PATH:_files -/'
        '--save[Write a device file as well, so that it is attached at every start.]'
        '--config[The configuration to write to.]:DIRECTORY:_files -/'
        '--by-id[Print the path in /dev/disk/by-id, which stays the same.]'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_detach() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':NAME:{__nbdctl_custom_complete ---completion detach -- positional@0 "${current_word_index}" "$(__nbdctl_cursor_index_in_current_word)"}'
        '--force[Detach even if the device is in use or its server does not respond.]'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_status() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':NAME:{__nbdctl_custom_complete ---completion status -- positional@0 "${current_word_index}" "$(__nbdctl_cursor_index_in_current_word)"}'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_reconnect() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':NAME:{__nbdctl_custom_complete ---completion reconnect -- positional@0 "${current_word_index}" "$(__nbdctl_cursor_index_in_current_word)"}'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_fail() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':NAME:{__nbdctl_custom_complete ---completion fail -- positional@0 "${current_word_index}" "$(__nbdctl_cursor_index_in_current_word)"}'
        '--abandon[Give up for good\: drop acknowledged writes that were not flushed, and do not reconnect.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_reload() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_prepare-shutdown() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_watch() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':NAME:{__nbdctl_custom_complete ---completion watch -- positional@0 "${current_word_index}" "$(__nbdctl_cursor_index_in_current_word)"}'
        '--json[Print one JSON object per line.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_metrics() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        '--http[Answer one HTTP request on standard input, as a service of a systemd socket.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_config() {
    local -i ret=1
    local -ar arg_specs=(
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
        '(-): :->command'
        '(-)*:: :->arg'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0
    case "${state}" in
    command)
        local -ar subcommands=(
            'check:Print every fault of the configuration, or of one file for it.'
            'show:Print the configuration with all defaults, as JSON.'
            'schema:Print the JSON Schema (2020-12) of a kind of file.'
        )
        _describe -V subcommand subcommands && ret=0
        ;;
    arg)
        case "${words[1]}" in
        check|show|schema)
            "_nbdctl_config_${words[1]}" && ret=0
            ;;
        esac
        ;;
    esac

    return "${ret}"
}

_nbdctl_config_check() {
    local -i ret=1
    local -ar arg_specs=(
        ':DIRECTORY|FILE:_files'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_config_show() {
    local -i ret=1
    local -ar arg_specs=(
        ':DIRECTORY|FILE:_files'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_config_schema() {
    local -i ret=1
    local -ar _kind=('device' 'nbdd')
    local -ar arg_specs=(
        ':kind:{__nbdctl_complete "${_kind[@]}"}'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_doctor() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        '--config[nbdd'\''s configuration.]:DIRECTORY:_files -/'
        '--fstab[The mounts of the boot.]:FILE:_files'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_import() {
    local -i ret=1
    local -ar _nbdtab=('nbdtab')
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':nbdtab:{__nbdctl_complete "${_nbdtab[@]}"}'
        ':FILE:_files'
        '--running[Import what other programs have attached now, by their command lines. For root.]'
        '--save[Write the files.]'
        '--config[The configuration to write to.]:DIRECTORY:_files -/'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_forget() {
    local -i ret=1
    local -ar arg_specs=(
        '--socket[The control socket of nbdd (default\: $NBDD_SOCKET, or /run/nbdd/org.nbdd).]:PATH:_files'
        ':NAME:{__nbdctl_custom_complete ---completion forget -- positional@0 "${current_word_index}" "$(__nbdctl_cursor_index_in_current_word)"}'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_list() {
    local -i ret=1
    local -ar arg_specs=(
        ':URI:'
        '--timeout[How long to wait (for example 500ms or 5min).]:TIME:'
        '--tls-certificates[Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.]:PATH:_files -/'
        '--tls-psk-file[File with the pre-shared key.]:PATH:_files'
        '--tls-priority[The priority string of GnuTLS.]:PRIORITY:'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_info() {
    local -i ret=1
    local -ar ___is=('read-only' 'rotational' 'tls')
    local -ar ___can=('cache' 'connect' 'df' 'fast-zero' 'flush' 'fua' 'multi-conn' 'read' 'structured-reply' 'trim' 'write' 'zero')
    local -ar arg_specs=(
        ':URI:'
        '--timeout[How long to wait (for example 500ms or 5min).]:TIME:'
        '--tls-certificates[Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.]:PATH:_files -/'
        '--tls-psk-file[File with the pre-shared key.]:PATH:_files'
        '--tls-priority[The priority string of GnuTLS.]:PRIORITY:'
        '--size[Print only the size in bytes.]'
        '--is[Test a property of the export or the connection.]:PROPERTY:{__nbdctl_complete "${___is[@]}"}'
        '--can[Test whether the server supports an operation.]:PROPERTY:{__nbdctl_complete "${___can[@]}"}'
        '--content[Read the beginning, and have file(1) say what it is.]'
        '--no-content[Read the beginning, and have file(1) say what it is.]'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_map() {
    local -i ret=1
    local -ar arg_specs=(
        ':URI:'
        '--timeout[How long to wait (for example 500ms or 5min).]:TIME:'
        '--tls-certificates[Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.]:PATH:_files -/'
        '--tls-psk-file[File with the pre-shared key.]:PATH:_files'
        '--tls-priority[The priority string of GnuTLS.]:PRIORITY:'
        '--context[The metadata context to ask for.]:NAME:'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_read() {
    local -i ret=1
    local -ar arg_specs=(
        ':URI:'
        '--timeout[How long to wait (for example 500ms or 5min).]:TIME:'
        '--tls-certificates[Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.]:PATH:_files -/'
        '--tls-psk-file[File with the pre-shared key.]:PATH:_files'
        '--tls-priority[The priority string of GnuTLS.]:PRIORITY:'
        '--offset[Where to begin, for example 4096 (bytes) or 8MiB (default\: 0).]:SIZE:'
        '--length[How much to read, for example 4096 (bytes) or 8MiB (default\: to the end).]:SIZE:'
        '--output[The file or block device to write, or - for standard output.]:PATH:_files'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_bench() {
    local -i ret=1
    local -ar arg_specs=(
        ':URI:'
        '--timeout[How long to wait (for example 500ms or 5min).]:TIME:'
        '--tls-certificates[Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.]:PATH:_files -/'
        '--tls-psk-file[File with the pre-shared key.]:PATH:_files'
        '--tls-priority[The priority string of GnuTLS.]:PRIORITY:'
        '*--block-size[Sizes of requests, for example 4KiB,1MiB; can be repeated.]:SIZE:'
        '*--depth[Numbers of requests in flight, for example 1,16; can be repeated.]:COUNT:'
        '--seconds[How long to measure each size with each depth.]:SECONDS:'
        '--sequential[Read or write one block after the other, not at random.]'
        '--write[Write instead of reading. THIS DESTROYS WHAT THE EXPORT CONTAINS.]'
        '--json[Print JSON.]'
        '--version[Show the version.]'
        '(-h --help)'{-h,--help}'[Show help information.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

_nbdctl_help() {
    local -i ret=1
    local -ar arg_specs=(
        '*:subcommands:'
        '--version[Show the version.]'
    )
    _arguments -w -s -S : "${arg_specs[@]}" && ret=0

    return "${ret}"
}

if [[ "${funcstack[1]}" = _nbdctl ]]; then
    _nbdctl "${@}"
else
    compdef _nbdctl nbdctl
fi