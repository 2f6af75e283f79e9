
set edit:completion:arg-completer[fh] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) FH_COMPLETE="elvish" fh -- $@words) | to-lines
}

