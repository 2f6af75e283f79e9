# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fh_global_optspecs
    string join \n server= api-addr= cache-addr= frontend-addr= json v/verbose h/help V/version
end

function __fish_fh_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fh_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fh_using_subcommand
    set -l cmd (__fish_fh_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fh -n "__fish_fh_needs_command" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_needs_command" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_needs_command" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_needs_command" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_needs_command" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_needs_command" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_needs_command" -s V -l version -d 'Print version'
complete -c fh -n "__fish_fh_needs_command" -f -a "login" -d 'Log in to a server, and set up Nix to substitute from it'
complete -c fh -n "__fish_fh_needs_command" -f -a "logout" -d 'Log out of a server: take back what `fh login` added to your files, and forget the token'
complete -c fh -n "__fish_fh_needs_command" -f -a "status" -d 'Show which server you are logged in to, as whom, until when, and what your token may do'
complete -c fh -n "__fish_fh_needs_command" -f -a "server" -d 'List the servers that you have logged in to, choose one, or forget one'
complete -c fh -n "__fish_fh_needs_command" -f -a "list" -d 'List what you may read'
complete -c fh -n "__fish_fh_needs_command" -f -a "push" -d 'Push store paths with all that they need'
complete -c fh -n "__fish_fh_needs_command" -f -a "org" -d 'Organisations: what flakes belong to'
complete -c fh -n "__fish_fh_needs_command" -f -a "flake" -d 'Flakes: what is pushed to, and what access is granted on'
complete -c fh -n "__fish_fh_needs_command" -f -a "grant" -d 'Who may read, push to and manage a flake'
complete -c fh -n "__fish_fh_needs_command" -f -a "token" -d 'Tokens: what people and machines log in with'
complete -c fh -n "__fish_fh_needs_command" -f -a "user" -d 'Accounts of people and of services (server administrators)'
complete -c fh -n "__fish_fh_needs_command" -f -a "serve" -d 'Run the cache server in the foreground'
complete -c fh -n "__fish_fh_needs_command" -f -a "completion" -d 'Print the completions of a shell'
complete -c fh -n "__fish_fh_needs_command" -f -a "man" -d 'Write the manual pages into a directory'
complete -c fh -n "__fish_fh_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand login" -l token-file -d 'A file with the token, or `-` for stdin' -r -F
complete -c fh -n "__fish_fh_using_subcommand login" -l scope -d 'Whose files are set up: yours, or the machine\'s, which takes root [default: system for root, else user]' -r -f -a "auto\t''
user\t''
system\t''"
complete -c fh -n "__fish_fh_using_subcommand login" -l store -d 'Where the token is kept; later logins do the same [default: file]' -r -f -a "file\t''
keyring\t''"
complete -c fh -n "__fish_fh_using_subcommand login" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand login" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand login" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand login" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand login" -l token-stdin -d 'Read the token from stdin, also where FH_TOKEN or FH_TOKEN_FILE is set'
complete -c fh -n "__fish_fh_using_subcommand login" -s y -l yes -d 'Do not ask before files are changed'
complete -c fh -n "__fish_fh_using_subcommand login" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c fh -n "__fish_fh_using_subcommand login" -l print -d 'Print the lines for netrc (with the token) and nix.conf, and change nothing'
complete -c fh -n "__fish_fh_using_subcommand login" -l no-netrc -d 'Leave the netrc as it is'
complete -c fh -n "__fish_fh_using_subcommand login" -l no-nix-conf -d 'Leave nix.conf as it is'
complete -c fh -n "__fish_fh_using_subcommand login" -l offline -d 'Ask no server anything: the token is taken as it is, the keys from an earlier login'
complete -c fh -n "__fish_fh_using_subcommand login" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand login" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand logout" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand logout" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand logout" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand logout" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand logout" -l all -d 'Of all servers'
complete -c fh -n "__fish_fh_using_subcommand logout" -l revoke -d 'Make the token useless everywhere, too'
complete -c fh -n "__fish_fh_using_subcommand logout" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand logout" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand logout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand status" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand status" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand status" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand status" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand status" -l all -d 'All servers that are known'
complete -c fh -n "__fish_fh_using_subcommand status" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand status" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -f -a "list" -d 'List the servers that you have logged in to'
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -f -a "use" -d 'Choose the server that is meant where none is named'
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -f -a "remove" -d 'Log out of a server: the same as `fh logout --server NAME`'
complete -c fh -n "__fish_fh_using_subcommand server; and not __fish_seen_subcommand_from list use remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from list" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from list" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from list" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from list" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from list" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from use" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from use" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from use" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from use" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from use" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from use" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from use" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from remove" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from remove" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from remove" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from remove" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the servers that you have logged in to'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from help" -f -a "use" -d 'Choose the server that is meant where none is named'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Log out of a server: the same as `fh logout --server NAME`'
complete -c fh -n "__fish_fh_using_subcommand server; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -f -a "flakes" -d 'List the flakes that you may read: your view of the cache'
complete -c fh -n "__fish_fh_using_subcommand list; and not __fish_seen_subcommand_from flakes help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -l owner -d 'Only those of this organisation' -r
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -s l -l limit -d 'At most this many' -r
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from flakes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from help" -f -a "flakes" -d 'List the flakes that you may read: your view of the cache'
complete -c fh -n "__fish_fh_using_subcommand list; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand push" -l watch-by -d 'With --watch-exec, how it is learnt what is built' -r -f -a "auto\t'The hook where Nix takes it from this user, else the store'
hook\t'Nix\'s post-build hook: exactly what the command builds'
store\t'The store\'s directory: all that is built on this machine meanwhile'"
complete -c fh -n "__fish_fh_using_subcommand push" -l drain-timeout -d 'With --watch-exec, how long to go on pushing after the command\'s end; `none` is as long as it takes' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l skip-signed-by -d 'Leave out what this key (NAME:BASE64) has signed, which people get from its own cache; the signature is verified; may be repeated; `none` leaves out nothing [default: the key of cache.nixos.org]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -s j -l jobs -d 'How many threads read and compress [default: one for each core]; on an attic server, how many paths are sent at a time [default: 8]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l compression-level -d 'How hard to compress: 1 is fast, 19 is small' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l retries -d 'How often a request that failed is tried again' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l timeout -d 'How long all of it may take, such as 30m or 2h, building included [default: any time, as long as something moves]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l protocol -d 'What the server speaks: `fh`, `attic` or `flakehub` (which needs no --server) [default: what `fh login` or the address tells, else it is asked, without the token]' -r -f -a "fh\t''
attic\t''
flakehub\t''"
complete -c fh -n "__fish_fh_using_subcommand push" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR] [default: https://api.flakehub.com]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR] [default: https://cache.flakehub.com]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l store -d 'The Nix store to push from, as `nix --store` takes it [env: NIX_REMOTE]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand push" -l watch-exec -d 'Run a command, given after `--`, and push what it builds while it builds on'
complete -c fh -n "__fish_fh_using_subcommand push" -l fail-on-push-error -d 'With --watch-exec, exit with 1 where the command succeeded and something it built could not be pushed'
complete -c fh -n "__fish_fh_using_subcommand push" -l stdin -d 'Read what to push from stdin too, one a line'
complete -c fh -n "__fish_fh_using_subcommand push" -l no-closure -d 'Push the paths named and not what they need, which must be on the server already'
complete -c fh -n "__fish_fh_using_subcommand push" -l no-logs -d 'Send no build logs; else those that this machine has go along, for `nix log`'
complete -c fh -n "__fish_fh_using_subcommand push" -l dry-run -d 'Show what would be sent, and send nothing'
complete -c fh -n "__fish_fh_using_subcommand push" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand push" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -f -a "create" -d 'Make an organisation; you become its owner'
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -f -a "list" -d 'List your organisations'
complete -c fh -n "__fish_fh_using_subcommand org; and not __fish_seen_subcommand_from create list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from create" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from create" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from create" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from create" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from create" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from list" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from list" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from list" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from list" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from list" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make an organisation; you become its owner'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from help" -f -a "list" -d 'List your organisations'
complete -c fh -n "__fish_fh_using_subcommand org; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -f -a "create" -d 'Make a flake in an organisation of yours'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -f -a "show" -d 'Show one flake'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -f -a "set" -d 'Change a flake\'s visibility or description'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -f -a "list" -d 'List the flakes that you may read: your view of the cache'
complete -c fh -n "__fish_fh_using_subcommand flake; and not __fish_seen_subcommand_from create show set list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -l visibility -d 'Who may read it without a grant' -r -f -a "public\t''
unlisted\t''
private\t''"
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -l description -d 'One line on what it is' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from show" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from show" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from show" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from show" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from show" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -l visibility -d 'Who may read it without a grant' -r -f -a "public\t''
unlisted\t''
private\t''"
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -l description -d 'One line on what it is; empty removes it' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -l owner -d 'Only those of this organisation' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -s l -l limit -d 'At most this many' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a flake in an organisation of yours'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show one flake'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from help" -f -a "set" -d 'Change a flake\'s visibility or description'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the flakes that you may read: your view of the cache'
complete -c fh -n "__fish_fh_using_subcommand flake; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -f -a "add" -d 'Give a user a role on a flake, in place of the one they had'
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -f -a "remove" -d 'Take a user\'s role on a flake away'
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -f -a "list" -d 'List who has which role on a flake'
complete -c fh -n "__fish_fh_using_subcommand grant; and not __fish_seen_subcommand_from add remove list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from add" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from add" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from add" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from add" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from add" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from remove" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from remove" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from remove" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from remove" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from list" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from list" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from list" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from list" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from list" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from help" -f -a "add" -d 'Give a user a role on a flake, in place of the one they had'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Take a user\'s role on a flake away'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from help" -f -a "list" -d 'List who has which role on a flake'
complete -c fh -n "__fish_fh_using_subcommand grant; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -f -a "create" -d 'Make a token, and print it: the only time that it is shown'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -f -a "list" -d 'List your tokens, newest first'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -f -a "inspect" -d 'Show what a token says, and what its server says of it'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -f -a "revoke" -d 'Make tokens useless, at once and for good'
complete -c fh -n "__fish_fh_using_subcommand token; and not __fish_seen_subcommand_from create list inspect revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l user -d 'For whom (server administrators, where it is not yourself)' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l description -d 'What it is for, as `fh token list` will show it' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l expires -d 'How long it is good: a number and s, m, h, d, w or y [default: the server\'s, 90d]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l permission -d 'What it may be used for; may be repeated [default: pull]' -r -f -a "pull\t''
push\t''
mint\t''
admin\t''"
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l flake -d 'Which flakes it reaches: ORG/PROJECT, \'ORG/*\' or \'*\'; may be repeated [default: all that the token which makes it reaches]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l output -d 'What to print: the token alone, JSON with what is kept of it, or lines for a netrc file' -r -f -a "raw\t''
json\t''
netrc\t''"
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -l all -d 'Those of everybody (server administrators)'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from inspect" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from inspect" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from inspect" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from inspect" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from inspect" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from revoke" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from revoke" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from revoke" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from revoke" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from revoke" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from revoke" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a token, and print it: the only time that it is shown'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "list" -d 'List your tokens, newest first'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "inspect" -d 'Show what a token says, and what its server says of it'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Make tokens useless, at once and for good'
complete -c fh -n "__fish_fh_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -f -a "create" -d 'Make an account'
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -f -a "list" -d 'List all accounts'
complete -c fh -n "__fish_fh_using_subcommand user; and not __fish_seen_subcommand_from create list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -l kind -d 'What it stands for: a person or a machine' -r -f -a "human\t''
service\t''"
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from list" -l server -d 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from list" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from list" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from list" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print JSON [env: FH_OUTPUT_JSON]'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make an account'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "list" -d 'List all accounts'
complete -c fh -n "__fish_fh_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand serve" -l config -d 'A TOML file with any of these options [env: FH_SERVE_CONFIG]' -r -F
complete -c fh -n "__fish_fh_using_subcommand serve" -l check -d 'Check the settings and what is stored, and end; also beside a server' -r -f -a "settings\t'The settings, the addresses, the certificate'
files\t'And the database, and that every stored file is there'
contents\t'And every byte of every stored file'"
complete -c fh -n "__fish_fh_using_subcommand serve" -l data-dir -d 'Where the database, the stored NARs and the first administrator\'s token are [env: FH_SERVE_DATA_DIR]' -r -F
complete -c fh -n "__fish_fh_using_subcommand serve" -l listen -d 'Where to answer requests: IP:PORT or unix:/PATH. May be given several times [env: FH_SERVE_LISTEN] [default: 127.0.0.1:8484]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l public-url -d 'The address that clients, tokens and nix.conf know this server by [env: FH_SERVE_PUBLIC_URL]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l metrics-listen -d 'Where to answer GET /metrics without credentials, never with TLS [env: FH_SERVE_METRICS_LISTEN]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l tls-certificate -d 'Certificate chain (PEM), the server\'s own first. With it, all TCP addresses speak TLS [env: FH_SERVE_TLS_CERTIFICATE]' -r -F
complete -c fh -n "__fish_fh_using_subcommand serve" -l tls-key -d 'Private key (PEM) of the certificate [env: FH_SERVE_TLS_KEY]' -r -F
complete -c fh -n "__fish_fh_using_subcommand serve" -l store-dir -d 'The store directory of the paths served. Nix refuses a cache with another than its own [env: FH_SERVE_STORE_DIR] [default: /nix/store]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l priority -d 'Which cache Nix asks first: the lowest number; cache.nixos.org has 40 [env: FH_SERVE_PRIORITY] [default: 40]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l signing-key-name -d 'What the names of the signing keys begin with; a number follows [env: FH_SERVE_SIGNING_KEY_NAME]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l token-lifetime -d 'How long a token lasts where its maker says nothing [env: FH_SERVE_TOKEN_LIFETIME] [default: 90d]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l max-token-lifetime -d 'How long a token lasts at most. Tokens that exist already keep their end [env: FH_SERVE_MAX_TOKEN_LIFETIME] [default: 730d]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l max-body-size -d 'Largest body of an upload. Keep it below the limit of a proxy in front [env: FH_SERVE_MAX_BODY_SIZE] [default: 30MiB]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l max-plan-size -d 'Largest body of a push plan, which lists a whole closure: about 1 KiB a path [env: FH_SERVE_MAX_PLAN_SIZE] [default: 30MiB]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l max-json-size -d 'Largest body of any other JSON request [env: FH_SERVE_MAX_JSON_SIZE] [default: 256KiB]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l max-nar-size -d 'Largest store path, as an uncompressed NAR [env: FH_SERVE_MAX_NAR_SIZE] [default: 64GiB]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l part-size -d 'Large NARs are uploaded in parts of this size (uncompressed) [env: FH_SERVE_PART_SIZE] [default: 8MiB]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l batched-nar-size -d 'NARs up to this size (uncompressed) travel many to a request [env: FH_SERVE_BATCHED_NAR_SIZE] [default: 4MiB]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l verifications -d 'How many NARs are decompressed and checked at the same time; 0: one a core [env: FH_SERVE_VERIFICATIONS] [default: 0]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l max-connections -d 'How many connections are open at the same time; further ones wait [env: FH_SERVE_MAX_CONNECTIONS] [default: 2048]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l upload-lifetime -d 'How long what an unfinished push has sent is kept for it to go on [env: FH_SERVE_UPLOAD_LIFETIME] [default: 24h]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l collect-interval -d 'How often files that nothing refers to any more are removed [env: FH_SERVE_COLLECT_INTERVAL] [default: 1h]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l header-timeout -d 'How long a client may take for the headers of a request, TLS handshake included [env: FH_SERVE_HEADER_TIMEOUT] [default: 20s]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l idle-timeout -d 'How long a connection without a request is kept open [env: FH_SERVE_IDLE_TIMEOUT] [default: 120s]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l stall-timeout -d 'How long a transfer may stand still before it is given up [env: FH_SERVE_STALL_TIMEOUT] [default: 60s]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l stop-timeout -d 'How long running requests may go on after SIGTERM or SIGINT; a second signal ends them [env: FH_SERVE_STOP_TIMEOUT] [default: 75s]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l log-format -d 'How log lines look on stderr: text, or json (one object a line) [env: FH_SERVE_LOG_FORMAT] [default: text]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l log-filter -d 'Which log lines are written: a level (error, warn, info, debug), or levels by part: warn,fh_server=debug [env: FH_SERVE_LOG_FILTER] [default: info]' -r -f
complete -c fh -n "__fish_fh_using_subcommand serve" -l server -r
complete -c fh -n "__fish_fh_using_subcommand serve" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand serve" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand serve" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand serve" -l print-example -d 'Print a configuration file with every option explained, and end'
complete -c fh -n "__fish_fh_using_subcommand serve" -l json
complete -c fh -n "__fish_fh_using_subcommand serve" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand completion" -l server -r
complete -c fh -n "__fish_fh_using_subcommand completion" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand completion" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand completion" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand completion" -l json
complete -c fh -n "__fish_fh_using_subcommand completion" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand completion" -s h -l help -d 'Print help'
complete -c fh -n "__fish_fh_using_subcommand man" -l server -r
complete -c fh -n "__fish_fh_using_subcommand man" -l api-addr -d 'The address of FlakeHub\'s API [env: FH_API_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand man" -l cache-addr -d 'The address of FlakeHub\'s cache [env: FH_CACHE_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand man" -l frontend-addr -d 'The address of FlakeHub\'s web site [env: FH_FRONTEND_ADDR]' -r
complete -c fh -n "__fish_fh_using_subcommand man" -l json
complete -c fh -n "__fish_fh_using_subcommand man" -s v -l verbose -d 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
complete -c fh -n "__fish_fh_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "login" -d 'Log in to a server, and set up Nix to substitute from it'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "logout" -d 'Log out of a server: take back what `fh login` added to your files, and forget the token'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "status" -d 'Show which server you are logged in to, as whom, until when, and what your token may do'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "server" -d 'List the servers that you have logged in to, choose one, or forget one'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "list" -d 'List what you may read'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "push" -d 'Push store paths with all that they need'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "org" -d 'Organisations: what flakes belong to'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "flake" -d 'Flakes: what is pushed to, and what access is granted on'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "grant" -d 'Who may read, push to and manage a flake'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "token" -d 'Tokens: what people and machines log in with'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "user" -d 'Accounts of people and of services (server administrators)'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "serve" -d 'Run the cache server in the foreground'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "completion" -d 'Print the completions of a shell'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "man" -d 'Write the manual pages into a directory'
complete -c fh -n "__fish_fh_using_subcommand help; and not __fish_seen_subcommand_from login logout status server list push org flake grant token user serve completion man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from server" -f -a "list" -d 'List the servers that you have logged in to'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from server" -f -a "use" -d 'Choose the server that is meant where none is named'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from server" -f -a "remove" -d 'Log out of a server: the same as `fh logout --server NAME`'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from list" -f -a "flakes" -d 'List the flakes that you may read: your view of the cache'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from org" -f -a "create" -d 'Make an organisation; you become its owner'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from org" -f -a "list" -d 'List your organisations'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from flake" -f -a "create" -d 'Make a flake in an organisation of yours'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from flake" -f -a "show" -d 'Show one flake'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from flake" -f -a "set" -d 'Change a flake\'s visibility or description'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from flake" -f -a "list" -d 'List the flakes that you may read: your view of the cache'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from grant" -f -a "add" -d 'Give a user a role on a flake, in place of the one they had'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from grant" -f -a "remove" -d 'Take a user\'s role on a flake away'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from grant" -f -a "list" -d 'List who has which role on a flake'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "create" -d 'Make a token, and print it: the only time that it is shown'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "list" -d 'List your tokens, newest first'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "inspect" -d 'Show what a token says, and what its server says of it'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "revoke" -d 'Make tokens useless, at once and for good'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "create" -d 'Make an account'
complete -c fh -n "__fish_fh_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "list" -d 'List all accounts'
