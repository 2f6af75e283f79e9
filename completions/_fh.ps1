
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'fh' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'fh'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'fh' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Log in to a server, and set up Nix to substitute from it')
            [CompletionResult]::new('logout', 'logout', [CompletionResultType]::ParameterValue, 'Log out of a server: take back what `fh login` added to your files, and forget the token')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show which server you are logged in to, as whom, until when, and what your token may do')
            [CompletionResult]::new('server', 'server', [CompletionResultType]::ParameterValue, 'List the servers that you have logged in to, choose one, or forget one')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what you may read')
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Push store paths with all that they need')
            [CompletionResult]::new('org', 'org', [CompletionResultType]::ParameterValue, 'Organisations: what flakes belong to')
            [CompletionResult]::new('flake', 'flake', [CompletionResultType]::ParameterValue, 'Flakes: what is pushed to, and what access is granted on')
            [CompletionResult]::new('grant', 'grant', [CompletionResultType]::ParameterValue, 'Who may read, push to and manage a flake')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Tokens: what people and machines log in with')
            [CompletionResult]::new('user', 'user', [CompletionResultType]::ParameterValue, 'Accounts of people and of services (server administrators)')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the cache server in the foreground')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the manual pages into a directory')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;login' {
            [CompletionResult]::new('--token-file', '--token-file', [CompletionResultType]::ParameterName, 'A file with the token, or `-` for stdin')
            [CompletionResult]::new('--scope', '--scope', [CompletionResultType]::ParameterName, 'Whose files are set up: yours, or the machine''s, which takes root [default: system for root, else user]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where the token is kept; later logins do the same [default: file]')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--token-stdin', '--token-stdin', [CompletionResultType]::ParameterName, 'Read the token from stdin, also where FH_TOKEN or FH_TOKEN_FILE is set')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask before files are changed')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask before files are changed')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be changed, and change nothing')
            [CompletionResult]::new('--print', '--print', [CompletionResultType]::ParameterName, 'Print the lines for netrc (with the token) and nix.conf, and change nothing')
            [CompletionResult]::new('--no-netrc', '--no-netrc', [CompletionResultType]::ParameterName, 'Leave the netrc as it is')
            [CompletionResult]::new('--no-nix-conf', '--no-nix-conf', [CompletionResultType]::ParameterName, 'Leave nix.conf as it is')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Ask no server anything: the token is taken as it is, the keys from an earlier login')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;logout' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Of all servers')
            [CompletionResult]::new('--revoke', '--revoke', [CompletionResultType]::ParameterName, 'Make the token useless everywhere, too')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;status' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All servers that are known')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;server' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the servers that you have logged in to')
            [CompletionResult]::new('use', 'use', [CompletionResultType]::ParameterValue, 'Choose the server that is meant where none is named')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Log out of a server: the same as `fh logout --server NAME`')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;server;list' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;server;use' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;server;remove' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;server;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the servers that you have logged in to')
            [CompletionResult]::new('use', 'use', [CompletionResultType]::ParameterValue, 'Choose the server that is meant where none is named')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Log out of a server: the same as `fh logout --server NAME`')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;server;help;list' {
            break
        }
        'fh;server;help;use' {
            break
        }
        'fh;server;help;remove' {
            break
        }
        'fh;server;help;help' {
            break
        }
        'fh;list' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('flakes', 'flakes', [CompletionResultType]::ParameterValue, 'List the flakes that you may read: your view of the cache')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;list;flakes' {
            [CompletionResult]::new('--owner', '--owner', [CompletionResultType]::ParameterName, 'Only those of this organisation')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'At most this many')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most this many')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;list;help' {
            [CompletionResult]::new('flakes', 'flakes', [CompletionResultType]::ParameterValue, 'List the flakes that you may read: your view of the cache')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;list;help;flakes' {
            break
        }
        'fh;list;help;help' {
            break
        }
        'fh;push' {
            [CompletionResult]::new('--watch-by', '--watch-by', [CompletionResultType]::ParameterName, 'With --watch-exec, how it is learnt what is built')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'With --watch-exec, how long to go on pushing after the command''s end; `none` is as long as it takes')
            [CompletionResult]::new('--skip-signed-by', '--skip-signed-by', [CompletionResultType]::ParameterName, 'Leave out what this key (NAME:BASE64) has signed, which people get from its own cache; the signature is verified; may be repeated; `none` leaves out nothing [default: the key of cache.nixos.org]')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'How many threads read and compress [default: one for each core]; on an attic server, how many paths are sent at a time [default: 8]')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'How many threads read and compress [default: one for each core]; on an attic server, how many paths are sent at a time [default: 8]')
            [CompletionResult]::new('--compression-level', '--compression-level', [CompletionResultType]::ParameterName, 'How hard to compress: 1 is fast, 19 is small')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'How often a request that failed is tried again')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'How long all of it may take, such as 30m or 2h, building included [default: any time, as long as something moves]')
            [CompletionResult]::new('--protocol', '--protocol', [CompletionResultType]::ParameterName, 'What the server speaks: `fh`, `attic` or `flakehub` (which needs no --server) [default: what `fh login` or the address tells, else it is asked, without the token]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR] [default: https://api.flakehub.com]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR] [default: https://cache.flakehub.com]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'The Nix store to push from, as `nix --store` takes it [env: NIX_REMOTE]')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--watch-exec', '--watch-exec', [CompletionResultType]::ParameterName, 'Run a command, given after `--`, and push what it builds while it builds on')
            [CompletionResult]::new('--fail-on-push-error', '--fail-on-push-error', [CompletionResultType]::ParameterName, 'With --watch-exec, exit with 1 where the command succeeded and something it built could not be pushed')
            [CompletionResult]::new('--stdin', '--stdin', [CompletionResultType]::ParameterName, 'Read what to push from stdin too, one a line')
            [CompletionResult]::new('--no-closure', '--no-closure', [CompletionResultType]::ParameterName, 'Push the paths named and not what they need, which must be on the server already')
            [CompletionResult]::new('--no-logs', '--no-logs', [CompletionResultType]::ParameterName, 'Send no build logs; else those that this machine has go along, for `nix log`')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be sent, and send nothing')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;org' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make an organisation; you become its owner')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List your organisations')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;org;create' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;org;list' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;org;help' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make an organisation; you become its owner')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List your organisations')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;org;help;create' {
            break
        }
        'fh;org;help;list' {
            break
        }
        'fh;org;help;help' {
            break
        }
        'fh;flake' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make a flake in an organisation of yours')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show one flake')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Change a flake''s visibility or description')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the flakes that you may read: your view of the cache')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;flake;create' {
            [CompletionResult]::new('--visibility', '--visibility', [CompletionResultType]::ParameterName, 'Who may read it without a grant')
            [CompletionResult]::new('--description', '--description', [CompletionResultType]::ParameterName, 'One line on what it is')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;flake;show' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;flake;set' {
            [CompletionResult]::new('--visibility', '--visibility', [CompletionResultType]::ParameterName, 'Who may read it without a grant')
            [CompletionResult]::new('--description', '--description', [CompletionResultType]::ParameterName, 'One line on what it is; empty removes it')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;flake;list' {
            [CompletionResult]::new('--owner', '--owner', [CompletionResultType]::ParameterName, 'Only those of this organisation')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'At most this many')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most this many')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;flake;help' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make a flake in an organisation of yours')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show one flake')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Change a flake''s visibility or description')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the flakes that you may read: your view of the cache')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;flake;help;create' {
            break
        }
        'fh;flake;help;show' {
            break
        }
        'fh;flake;help;set' {
            break
        }
        'fh;flake;help;list' {
            break
        }
        'fh;flake;help;help' {
            break
        }
        'fh;grant' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Give a user a role on a flake, in place of the one they had')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take a user''s role on a flake away')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List who has which role on a flake')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;grant;add' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;grant;remove' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;grant;list' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;grant;help' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Give a user a role on a flake, in place of the one they had')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take a user''s role on a flake away')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List who has which role on a flake')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;grant;help;add' {
            break
        }
        'fh;grant;help;remove' {
            break
        }
        'fh;grant;help;list' {
            break
        }
        'fh;grant;help;help' {
            break
        }
        'fh;token' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make a token, and print it: the only time that it is shown')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List your tokens, newest first')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a token says, and what its server says of it')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Make tokens useless, at once and for good')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;token;create' {
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'For whom (server administrators, where it is not yourself)')
            [CompletionResult]::new('--description', '--description', [CompletionResultType]::ParameterName, 'What it is for, as `fh token list` will show it')
            [CompletionResult]::new('--expires', '--expires', [CompletionResultType]::ParameterName, 'How long it is good: a number and s, m, h, d, w or y [default: the server''s, 90d]')
            [CompletionResult]::new('--permission', '--permission', [CompletionResultType]::ParameterName, 'What it may be used for; may be repeated [default: pull]')
            [CompletionResult]::new('--flake', '--flake', [CompletionResultType]::ParameterName, 'Which flakes it reaches: ORG/PROJECT, ''ORG/*'' or ''*''; may be repeated [default: all that the token which makes it reaches]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What to print: the token alone, JSON with what is kept of it, or lines for a netrc file')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;token;list' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Those of everybody (server administrators)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;token;inspect' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;token;revoke' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;token;help' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make a token, and print it: the only time that it is shown')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List your tokens, newest first')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a token says, and what its server says of it')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Make tokens useless, at once and for good')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;token;help;create' {
            break
        }
        'fh;token;help;list' {
            break
        }
        'fh;token;help;inspect' {
            break
        }
        'fh;token;help;revoke' {
            break
        }
        'fh;token;help;help' {
            break
        }
        'fh;user' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make an account')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List all accounts')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;user;create' {
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'What it stands for: a person or a machine')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;user;list' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON [env: FH_OUTPUT_JSON]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;user;help' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make an account')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List all accounts')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;user;help;create' {
            break
        }
        'fh;user;help;list' {
            break
        }
        'fh;user;help;help' {
            break
        }
        'fh;serve' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'A TOML file with any of these options [env: FH_SERVE_CONFIG]')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'Check the settings and what is stored, and end; also beside a server')
            [CompletionResult]::new('--data-dir', '--data-dir', [CompletionResultType]::ParameterName, 'Where the database, the stored NARs and the first administrator''s token are [env: FH_SERVE_DATA_DIR]')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where to answer requests: IP:PORT or unix:/PATH. May be given several times [env: FH_SERVE_LISTEN] [default: 127.0.0.1:8484]')
            [CompletionResult]::new('--public-url', '--public-url', [CompletionResultType]::ParameterName, 'The address that clients, tokens and nix.conf know this server by [env: FH_SERVE_PUBLIC_URL]')
            [CompletionResult]::new('--metrics-listen', '--metrics-listen', [CompletionResultType]::ParameterName, 'Where to answer GET /metrics without credentials, never with TLS [env: FH_SERVE_METRICS_LISTEN]')
            [CompletionResult]::new('--tls-certificate', '--tls-certificate', [CompletionResultType]::ParameterName, 'Certificate chain (PEM), the server''s own first. With it, all TCP addresses speak TLS [env: FH_SERVE_TLS_CERTIFICATE]')
            [CompletionResult]::new('--tls-key', '--tls-key', [CompletionResultType]::ParameterName, 'Private key (PEM) of the certificate [env: FH_SERVE_TLS_KEY]')
            [CompletionResult]::new('--store-dir', '--store-dir', [CompletionResultType]::ParameterName, 'The store directory of the paths served. Nix refuses a cache with another than its own [env: FH_SERVE_STORE_DIR] [default: /nix/store]')
            [CompletionResult]::new('--priority', '--priority', [CompletionResultType]::ParameterName, 'Which cache Nix asks first: the lowest number; cache.nixos.org has 40 [env: FH_SERVE_PRIORITY] [default: 40]')
            [CompletionResult]::new('--signing-key-name', '--signing-key-name', [CompletionResultType]::ParameterName, 'What the names of the signing keys begin with; a number follows [env: FH_SERVE_SIGNING_KEY_NAME]')
            [CompletionResult]::new('--token-lifetime', '--token-lifetime', [CompletionResultType]::ParameterName, 'How long a token lasts where its maker says nothing [env: FH_SERVE_TOKEN_LIFETIME] [default: 90d]')
            [CompletionResult]::new('--max-token-lifetime', '--max-token-lifetime', [CompletionResultType]::ParameterName, 'How long a token lasts at most. Tokens that exist already keep their end [env: FH_SERVE_MAX_TOKEN_LIFETIME] [default: 730d]')
            [CompletionResult]::new('--max-body-size', '--max-body-size', [CompletionResultType]::ParameterName, 'Largest body of an upload. Keep it below the limit of a proxy in front [env: FH_SERVE_MAX_BODY_SIZE] [default: 30MiB]')
            [CompletionResult]::new('--max-plan-size', '--max-plan-size', [CompletionResultType]::ParameterName, 'Largest body of a push plan, which lists a whole closure: about 1 KiB a path [env: FH_SERVE_MAX_PLAN_SIZE] [default: 30MiB]')
            [CompletionResult]::new('--max-json-size', '--max-json-size', [CompletionResultType]::ParameterName, 'Largest body of any other JSON request [env: FH_SERVE_MAX_JSON_SIZE] [default: 256KiB]')
            [CompletionResult]::new('--max-nar-size', '--max-nar-size', [CompletionResultType]::ParameterName, 'Largest store path, as an uncompressed NAR [env: FH_SERVE_MAX_NAR_SIZE] [default: 64GiB]')
            [CompletionResult]::new('--part-size', '--part-size', [CompletionResultType]::ParameterName, 'Large NARs are uploaded in parts of this size (uncompressed) [env: FH_SERVE_PART_SIZE] [default: 8MiB]')
            [CompletionResult]::new('--batched-nar-size', '--batched-nar-size', [CompletionResultType]::ParameterName, 'NARs up to this size (uncompressed) travel many to a request [env: FH_SERVE_BATCHED_NAR_SIZE] [default: 4MiB]')
            [CompletionResult]::new('--verifications', '--verifications', [CompletionResultType]::ParameterName, 'How many NARs are decompressed and checked at the same time; 0: one a core [env: FH_SERVE_VERIFICATIONS] [default: 0]')
            [CompletionResult]::new('--max-connections', '--max-connections', [CompletionResultType]::ParameterName, 'How many connections are open at the same time; further ones wait [env: FH_SERVE_MAX_CONNECTIONS] [default: 2048]')
            [CompletionResult]::new('--upload-lifetime', '--upload-lifetime', [CompletionResultType]::ParameterName, 'How long what an unfinished push has sent is kept for it to go on [env: FH_SERVE_UPLOAD_LIFETIME] [default: 24h]')
            [CompletionResult]::new('--collect-interval', '--collect-interval', [CompletionResultType]::ParameterName, 'How often files that nothing refers to any more are removed [env: FH_SERVE_COLLECT_INTERVAL] [default: 1h]')
            [CompletionResult]::new('--header-timeout', '--header-timeout', [CompletionResultType]::ParameterName, 'How long a client may take for the headers of a request, TLS handshake included [env: FH_SERVE_HEADER_TIMEOUT] [default: 20s]')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'How long a connection without a request is kept open [env: FH_SERVE_IDLE_TIMEOUT] [default: 120s]')
            [CompletionResult]::new('--stall-timeout', '--stall-timeout', [CompletionResultType]::ParameterName, 'How long a transfer may stand still before it is given up [env: FH_SERVE_STALL_TIMEOUT] [default: 60s]')
            [CompletionResult]::new('--stop-timeout', '--stop-timeout', [CompletionResultType]::ParameterName, 'How long running requests may go on after SIGTERM or SIGINT; a second signal ends them [env: FH_SERVE_STOP_TIMEOUT] [default: 75s]')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'How log lines look on stderr: text, or json (one object a line) [env: FH_SERVE_LOG_FORMAT] [default: text]')
            [CompletionResult]::new('--log-filter', '--log-filter', [CompletionResultType]::ParameterName, 'Which log lines are written: a level (error, warn, info, debug), or levels by part: warn,fh_server=debug [env: FH_SERVE_LOG_FILTER] [default: info]')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'server')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--print-example', '--print-example', [CompletionResultType]::ParameterName, 'Print a configuration file with every option explained, and end')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'json')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;completion' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'server')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'json')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'fh;man' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'server')
            [CompletionResult]::new('--api-addr', '--api-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s API [env: FH_API_ADDR]')
            [CompletionResult]::new('--cache-addr', '--cache-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]')
            [CompletionResult]::new('--frontend-addr', '--frontend-addr', [CompletionResultType]::ParameterName, 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'json')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'fh;help' {
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Log in to a server, and set up Nix to substitute from it')
            [CompletionResult]::new('logout', 'logout', [CompletionResultType]::ParameterValue, 'Log out of a server: take back what `fh login` added to your files, and forget the token')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show which server you are logged in to, as whom, until when, and what your token may do')
            [CompletionResult]::new('server', 'server', [CompletionResultType]::ParameterValue, 'List the servers that you have logged in to, choose one, or forget one')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what you may read')
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Push store paths with all that they need')
            [CompletionResult]::new('org', 'org', [CompletionResultType]::ParameterValue, 'Organisations: what flakes belong to')
            [CompletionResult]::new('flake', 'flake', [CompletionResultType]::ParameterValue, 'Flakes: what is pushed to, and what access is granted on')
            [CompletionResult]::new('grant', 'grant', [CompletionResultType]::ParameterValue, 'Who may read, push to and manage a flake')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Tokens: what people and machines log in with')
            [CompletionResult]::new('user', 'user', [CompletionResultType]::ParameterValue, 'Accounts of people and of services (server administrators)')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the cache server in the foreground')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the manual pages into a directory')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'fh;help;login' {
            break
        }
        'fh;help;logout' {
            break
        }
        'fh;help;status' {
            break
        }
        'fh;help;server' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the servers that you have logged in to')
            [CompletionResult]::new('use', 'use', [CompletionResultType]::ParameterValue, 'Choose the server that is meant where none is named')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Log out of a server: the same as `fh logout --server NAME`')
            break
        }
        'fh;help;server;list' {
            break
        }
        'fh;help;server;use' {
            break
        }
        'fh;help;server;remove' {
            break
        }
        'fh;help;list' {
            [CompletionResult]::new('flakes', 'flakes', [CompletionResultType]::ParameterValue, 'List the flakes that you may read: your view of the cache')
            break
        }
        'fh;help;list;flakes' {
            break
        }
        'fh;help;push' {
            break
        }
        'fh;help;org' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make an organisation; you become its owner')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List your organisations')
            break
        }
        'fh;help;org;create' {
            break
        }
        'fh;help;org;list' {
            break
        }
        'fh;help;flake' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make a flake in an organisation of yours')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show one flake')
            [CompletionResult]::new('set', 'set', [CompletionResultType]::ParameterValue, 'Change a flake''s visibility or description')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the flakes that you may read: your view of the cache')
            break
        }
        'fh;help;flake;create' {
            break
        }
        'fh;help;flake;show' {
            break
        }
        'fh;help;flake;set' {
            break
        }
        'fh;help;flake;list' {
            break
        }
        'fh;help;grant' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Give a user a role on a flake, in place of the one they had')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take a user''s role on a flake away')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List who has which role on a flake')
            break
        }
        'fh;help;grant;add' {
            break
        }
        'fh;help;grant;remove' {
            break
        }
        'fh;help;grant;list' {
            break
        }
        'fh;help;token' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make a token, and print it: the only time that it is shown')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List your tokens, newest first')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a token says, and what its server says of it')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Make tokens useless, at once and for good')
            break
        }
        'fh;help;token;create' {
            break
        }
        'fh;help;token;list' {
            break
        }
        'fh;help;token;inspect' {
            break
        }
        'fh;help;token;revoke' {
            break
        }
        'fh;help;user' {
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Make an account')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List all accounts')
            break
        }
        'fh;help;user;create' {
            break
        }
        'fh;help;user;list' {
            break
        }
        'fh;help;serve' {
            break
        }
        'fh;help;completion' {
            break
        }
        'fh;help;man' {
            break
        }
        'fh;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
