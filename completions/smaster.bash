# bash completion for smaster. Commands and flags are read from the programs' own help, so they cannot go stale.

_smaster() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=
  if ((COMP_CWORD == 1)); then
    words="help --help --version $("${COMP_WORDS[0]}" help 2>/dev/null |
      sed -n '/^\(Commands\|From PATH\):$/{n;p}')"
  else
    case $previous in
      --config | --socket | --out | --token-file | --project-dir | --ca-file | --history | --master-key | import | --)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null
        return
        ;;
      --log-level) words="debug info warn error" ;;
      --log-format) words="text json" ;;
      --strategy) words="auto rolling blue-green at-once" ;;
      *)
        local help
        help=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --help 2>/dev/null)
        words=$(sed -n 's/^ *\(-[a-z],\)\{0,1\}\(--[a-z-]*\).*/\2/p' <<<"$help")
        # A command's own subcommands stand last, each on a line of its own.
        words+=" $(sed -n '/^Subcommands:$/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' <<<"$help")"
        ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _smaster smaster
