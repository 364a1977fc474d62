# bash completion for smaster.
_smaster() {
  local candidates i line word width current=${COMP_WORDS[COMP_CWORD]} lines=()
  mapfile -t candidates < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=()
  for line in "${candidates[@]}"; do
    word=${line%%$'\t'*}
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
    elif [[ $word == "$current"* ]]; then
      COMPREPLY+=("$word")
      lines+=("$line")
    fi
  done
  # 63: bash only lists them. What is listed is not inserted, so that the descriptions can stand beside the words.
  [[ ${COMP_TYPE:-} == 63 && ${#lines[@]} -gt 1 && ${#lines[@]} == "${#COMPREPLY[@]}" ]] || return
  width=$((${COLUMNS:-80} > 30 ? ${COLUMNS:-80} - 1 : 30))
  for i in "${!lines[@]}"; do
    word=${lines[i]%%$'\t'*}
    [[ ${lines[i]} == *$'\t'* ]] && printf -v word '%-18s %s' "$word" "${lines[i]#*$'\t'}"
    printf -v 'COMPREPLY[i]' "%-${width}s" "${word:0:width}"
  done
}
complete -F _smaster smaster
