# Text as systemd reads it in a unit. `%` begins a specifier everywhere (systemd.unit(5)); what quotes
# mean depends on the setting.
let
  literal = builtins.replaceStrings [ "%" ] [ "%%" ];
in
rec {
  # A path that is the rest of the line, as in ConditionPathExists, PathChanged and LoadCredential:
  # blanks belong to it, and so would quotes.
  path = literal;

  # One path of a list, as in ReadWritePaths: in double quotes, where `\` means something.
  listedPath = path: literal (builtins.toJSON path);

  # One word of a command line (systemd.service(5)), where `$` means something too.
  word = text: builtins.replaceStrings [ "$" ] [ "$$" ] (listedPath text);
}
