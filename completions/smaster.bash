# bash completion for smaster.
_smaster() {
  local words current=${COMP_WORDS[COMP_CWORD]}
  words=$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ $words == *:files* ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    words=${words/:files/}
  else
    COMPREPLY=()
  fi
  mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _smaster smaster
