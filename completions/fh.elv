
use builtin;
use str;

set edit:completion:arg-completer[fh] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'fh'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'fh'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand login 'Log in to a server, and set up Nix to substitute from it'
            cand logout 'Log out of a server: take back what `fh login` added to your files, and forget the token'
            cand status 'Show which server you are logged in to, as whom, until when, and what your token may do'
            cand server 'List the servers that you have logged in to, choose one, or forget one'
            cand list 'List what you may read'
            cand push 'Push store paths with all that they need'
            cand org 'Organisations: what flakes belong to'
            cand flake 'Flakes: what is pushed to, and what access is granted on'
            cand grant 'Who may read, push to and manage a flake'
            cand token 'Tokens: what people and machines log in with'
            cand user 'Accounts of people and of services (server administrators)'
            cand serve 'Run the cache server in the foreground'
            cand completion 'Print the completions of a shell'
            cand man 'Write the manual pages into a directory'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;login'= {
            cand --token-file 'A file with the token, or `-` for stdin'
            cand --scope 'Whose files are set up: yours, or the machine''s, which takes root [default: system for root, else user]'
            cand --store 'Where the token is kept; later logins do the same [default: file]'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --token-stdin 'Read the token from stdin, also where FH_TOKEN or FH_TOKEN_FILE is set'
            cand -y 'Do not ask before files are changed'
            cand --yes 'Do not ask before files are changed'
            cand --dry-run 'Show what would be changed, and change nothing'
            cand --print 'Print the lines for netrc (with the token) and nix.conf, and change nothing'
            cand --no-netrc 'Leave the netrc as it is'
            cand --no-nix-conf 'Leave nix.conf as it is'
            cand --offline 'Ask no server anything: the token is taken as it is, the keys from an earlier login'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;logout'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --all 'Of all servers'
            cand --revoke 'Make the token useless everywhere, too'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;status'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --all 'All servers that are known'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;server'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand list 'List the servers that you have logged in to'
            cand use 'Choose the server that is meant where none is named'
            cand remove 'Log out of a server: the same as `fh logout --server NAME`'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;server;list'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;server;use'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;server;remove'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;server;help'= {
            cand list 'List the servers that you have logged in to'
            cand use 'Choose the server that is meant where none is named'
            cand remove 'Log out of a server: the same as `fh logout --server NAME`'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;server;help;list'= {
        }
        &'fh;server;help;use'= {
        }
        &'fh;server;help;remove'= {
        }
        &'fh;server;help;help'= {
        }
        &'fh;list'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand flakes 'List the flakes that you may read: your view of the cache'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;list;flakes'= {
            cand --owner 'Only those of this organisation'
            cand -l 'At most this many'
            cand --limit 'At most this many'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;list;help'= {
            cand flakes 'List the flakes that you may read: your view of the cache'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;list;help;flakes'= {
        }
        &'fh;list;help;help'= {
        }
        &'fh;push'= {
            cand --watch-by 'With --watch-exec, how it is learnt what is built'
            cand --drain-timeout 'With --watch-exec, how long to go on pushing after the command''s end; `none` is as long as it takes'
            cand --skip-signed-by 'Leave out what this key (NAME:BASE64) has signed, which people get from its own cache; the signature is verified; may be repeated; `none` leaves out nothing [default: the key of cache.nixos.org]'
            cand -j 'How many threads read and compress [default: one for each core]; on an attic server, how many paths are sent at a time [default: 8]'
            cand --jobs 'How many threads read and compress [default: one for each core]; on an attic server, how many paths are sent at a time [default: 8]'
            cand --compression-level 'How hard to compress: 1 is fast, 19 is small'
            cand --retries 'How often a request that failed is tried again'
            cand --timeout 'How long all of it may take, such as 30m or 2h, building included [default: any time, as long as something moves]'
            cand --protocol 'What the server speaks: `fh`, `attic` or `flakehub` (which needs no --server) [default: what `fh login` or the address tells, else it is asked, without the token]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR] [default: https://api.flakehub.com]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR] [default: https://cache.flakehub.com]'
            cand --store 'The Nix store to push from, as `nix --store` takes it [env: NIX_REMOTE]'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --watch-exec 'Run a command, given after `--`, and push what it builds while it builds on'
            cand --fail-on-push-error 'With --watch-exec, exit with 1 where the command succeeded and something it built could not be pushed'
            cand --stdin 'Read what to push from stdin too, one a line'
            cand --no-closure 'Push the paths named and not what they need, which must be on the server already'
            cand --no-logs 'Send no build logs; else those that this machine has go along, for `nix log`'
            cand --dry-run 'Show what would be sent, and send nothing'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;org'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand create 'Make an organisation; you become its owner'
            cand list 'List your organisations'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;org;create'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;org;list'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;org;help'= {
            cand create 'Make an organisation; you become its owner'
            cand list 'List your organisations'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;org;help;create'= {
        }
        &'fh;org;help;list'= {
        }
        &'fh;org;help;help'= {
        }
        &'fh;flake'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand create 'Make a flake in an organisation of yours'
            cand show 'Show one flake'
            cand set 'Change a flake''s visibility or description'
            cand list 'List the flakes that you may read: your view of the cache'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;flake;create'= {
            cand --visibility 'Who may read it without a grant'
            cand --description 'One line on what it is'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;flake;show'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;flake;set'= {
            cand --visibility 'Who may read it without a grant'
            cand --description 'One line on what it is; empty removes it'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;flake;list'= {
            cand --owner 'Only those of this organisation'
            cand -l 'At most this many'
            cand --limit 'At most this many'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;flake;help'= {
            cand create 'Make a flake in an organisation of yours'
            cand show 'Show one flake'
            cand set 'Change a flake''s visibility or description'
            cand list 'List the flakes that you may read: your view of the cache'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;flake;help;create'= {
        }
        &'fh;flake;help;show'= {
        }
        &'fh;flake;help;set'= {
        }
        &'fh;flake;help;list'= {
        }
        &'fh;flake;help;help'= {
        }
        &'fh;grant'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand add 'Give a user a role on a flake, in place of the one they had'
            cand remove 'Take a user''s role on a flake away'
            cand list 'List who has which role on a flake'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;grant;add'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;grant;remove'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;grant;list'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;grant;help'= {
            cand add 'Give a user a role on a flake, in place of the one they had'
            cand remove 'Take a user''s role on a flake away'
            cand list 'List who has which role on a flake'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;grant;help;add'= {
        }
        &'fh;grant;help;remove'= {
        }
        &'fh;grant;help;list'= {
        }
        &'fh;grant;help;help'= {
        }
        &'fh;token'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand create 'Make a token, and print it: the only time that it is shown'
            cand list 'List your tokens, newest first'
            cand inspect 'Show what a token says, and what its server says of it'
            cand revoke 'Make tokens useless, at once and for good'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;token;create'= {
            cand --user 'For whom (server administrators, where it is not yourself)'
            cand --description 'What it is for, as `fh token list` will show it'
            cand --expires 'How long it is good: a number and s, m, h, d, w or y [default: the server''s, 90d]'
            cand --permission 'What it may be used for; may be repeated [default: pull]'
            cand --flake 'Which flakes it reaches: ORG/PROJECT, ''ORG/*'' or ''*''; may be repeated [default: all that the token which makes it reaches]'
            cand --output 'What to print: the token alone, JSON with what is kept of it, or lines for a netrc file'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;token;list'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --all 'Those of everybody (server administrators)'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;token;inspect'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;token;revoke'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;token;help'= {
            cand create 'Make a token, and print it: the only time that it is shown'
            cand list 'List your tokens, newest first'
            cand inspect 'Show what a token says, and what its server says of it'
            cand revoke 'Make tokens useless, at once and for good'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;token;help;create'= {
        }
        &'fh;token;help;list'= {
        }
        &'fh;token;help;inspect'= {
        }
        &'fh;token;help;revoke'= {
        }
        &'fh;token;help;help'= {
        }
        &'fh;user'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand create 'Make an account'
            cand list 'List all accounts'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;user;create'= {
            cand --kind 'What it stands for: a person or a machine'
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;user;list'= {
            cand --server 'The server to talk to [env: FH_SERVER] [default: the one logged in to last]'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'Print JSON [env: FH_OUTPUT_JSON]'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;user;help'= {
            cand create 'Make an account'
            cand list 'List all accounts'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;user;help;create'= {
        }
        &'fh;user;help;list'= {
        }
        &'fh;user;help;help'= {
        }
        &'fh;serve'= {
            cand --config 'A TOML file with any of these options [env: FH_SERVE_CONFIG]'
            cand --check 'Check the settings and what is stored, and end; also beside a server'
            cand --data-dir 'Where the database, the stored NARs and the first administrator''s token are [env: FH_SERVE_DATA_DIR]'
            cand --listen 'Where to answer requests: IP:PORT or unix:/PATH. May be given several times [env: FH_SERVE_LISTEN] [default: 127.0.0.1:8484]'
            cand --public-url 'The address that clients, tokens and nix.conf know this server by [env: FH_SERVE_PUBLIC_URL]'
            cand --metrics-listen 'Where to answer GET /metrics without credentials, never with TLS [env: FH_SERVE_METRICS_LISTEN]'
            cand --tls-certificate 'Certificate chain (PEM), the server''s own first. With it, all TCP addresses speak TLS [env: FH_SERVE_TLS_CERTIFICATE]'
            cand --tls-key 'Private key (PEM) of the certificate [env: FH_SERVE_TLS_KEY]'
            cand --store-dir 'The store directory of the paths served. Nix refuses a cache with another than its own [env: FH_SERVE_STORE_DIR] [default: /nix/store]'
            cand --priority 'Which cache Nix asks first: the lowest number; cache.nixos.org has 40 [env: FH_SERVE_PRIORITY] [default: 40]'
            cand --signing-key-name 'What the names of the signing keys begin with; a number follows [env: FH_SERVE_SIGNING_KEY_NAME]'
            cand --token-lifetime 'How long a token lasts where its maker says nothing [env: FH_SERVE_TOKEN_LIFETIME] [default: 90d]'
            cand --max-token-lifetime 'How long a token lasts at most. Tokens that exist already keep their end [env: FH_SERVE_MAX_TOKEN_LIFETIME] [default: 730d]'
            cand --max-body-size 'Largest body of an upload. Keep it below the limit of a proxy in front [env: FH_SERVE_MAX_BODY_SIZE] [default: 30MiB]'
            cand --max-plan-size 'Largest body of a push plan, which lists a whole closure: about 1 KiB a path [env: FH_SERVE_MAX_PLAN_SIZE] [default: 30MiB]'
            cand --max-json-size 'Largest body of any other JSON request [env: FH_SERVE_MAX_JSON_SIZE] [default: 256KiB]'
            cand --max-nar-size 'Largest store path, as an uncompressed NAR [env: FH_SERVE_MAX_NAR_SIZE] [default: 64GiB]'
            cand --part-size 'Large NARs are uploaded in parts of this size (uncompressed) [env: FH_SERVE_PART_SIZE] [default: 8MiB]'
            cand --batched-nar-size 'NARs up to this size (uncompressed) travel many to a request [env: FH_SERVE_BATCHED_NAR_SIZE] [default: 4MiB]'
            cand --verifications 'How many NARs are decompressed and checked at the same time; 0: one a core [env: FH_SERVE_VERIFICATIONS] [default: 0]'
            cand --max-connections 'How many connections are open at the same time; further ones wait [env: FH_SERVE_MAX_CONNECTIONS] [default: 2048]'
            cand --upload-lifetime 'How long what an unfinished push has sent is kept for it to go on [env: FH_SERVE_UPLOAD_LIFETIME] [default: 24h]'
            cand --collect-interval 'How often files that nothing refers to any more are removed [env: FH_SERVE_COLLECT_INTERVAL] [default: 1h]'
            cand --header-timeout 'How long a client may take for the headers of a request, TLS handshake included [env: FH_SERVE_HEADER_TIMEOUT] [default: 20s]'
            cand --idle-timeout 'How long a connection without a request is kept open [env: FH_SERVE_IDLE_TIMEOUT] [default: 120s]'
            cand --stall-timeout 'How long a transfer may stand still before it is given up [env: FH_SERVE_STALL_TIMEOUT] [default: 60s]'
            cand --stop-timeout 'How long running requests may go on after SIGTERM or SIGINT; a second signal ends them [env: FH_SERVE_STOP_TIMEOUT] [default: 75s]'
            cand --log-format 'How log lines look on stderr: text, or json (one object a line) [env: FH_SERVE_LOG_FORMAT] [default: text]'
            cand --log-filter 'Which log lines are written: a level (error, warn, info, debug), or levels by part: warn,fh_server=debug [env: FH_SERVE_LOG_FILTER] [default: info]'
            cand --server 'server'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --print-example 'Print a configuration file with every option explained, and end'
            cand --json 'json'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;completion'= {
            cand --server 'server'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'json'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'fh;man'= {
            cand --server 'server'
            cand --api-addr 'The address of FlakeHub''s API [env: FH_API_ADDR]'
            cand --cache-addr 'The address of FlakeHub''s cache [env: FH_CACHE_ADDR]'
            cand --frontend-addr 'The address of FlakeHub''s web site [env: FH_FRONTEND_ADDR]'
            cand --json 'json'
            cand -v 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand --verbose 'Tell more of what is being done; twice and three times for more [env: FH_VERBOSITY]'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'fh;help'= {
            cand login 'Log in to a server, and set up Nix to substitute from it'
            cand logout 'Log out of a server: take back what `fh login` added to your files, and forget the token'
            cand status 'Show which server you are logged in to, as whom, until when, and what your token may do'
            cand server 'List the servers that you have logged in to, choose one, or forget one'
            cand list 'List what you may read'
            cand push 'Push store paths with all that they need'
            cand org 'Organisations: what flakes belong to'
            cand flake 'Flakes: what is pushed to, and what access is granted on'
            cand grant 'Who may read, push to and manage a flake'
            cand token 'Tokens: what people and machines log in with'
            cand user 'Accounts of people and of services (server administrators)'
            cand serve 'Run the cache server in the foreground'
            cand completion 'Print the completions of a shell'
            cand man 'Write the manual pages into a directory'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'fh;help;login'= {
        }
        &'fh;help;logout'= {
        }
        &'fh;help;status'= {
        }
        &'fh;help;server'= {
            cand list 'List the servers that you have logged in to'
            cand use 'Choose the server that is meant where none is named'
            cand remove 'Log out of a server: the same as `fh logout --server NAME`'
        }
        &'fh;help;server;list'= {
        }
        &'fh;help;server;use'= {
        }
        &'fh;help;server;remove'= {
        }
        &'fh;help;list'= {
            cand flakes 'List the flakes that you may read: your view of the cache'
        }
        &'fh;help;list;flakes'= {
        }
        &'fh;help;push'= {
        }
        &'fh;help;org'= {
            cand create 'Make an organisation; you become its owner'
            cand list 'List your organisations'
        }
        &'fh;help;org;create'= {
        }
        &'fh;help;org;list'= {
        }
        &'fh;help;flake'= {
            cand create 'Make a flake in an organisation of yours'
            cand show 'Show one flake'
            cand set 'Change a flake''s visibility or description'
            cand list 'List the flakes that you may read: your view of the cache'
        }
        &'fh;help;flake;create'= {
        }
        &'fh;help;flake;show'= {
        }
        &'fh;help;flake;set'= {
        }
        &'fh;help;flake;list'= {
        }
        &'fh;help;grant'= {
            cand add 'Give a user a role on a flake, in place of the one they had'
            cand remove 'Take a user''s role on a flake away'
            cand list 'List who has which role on a flake'
        }
        &'fh;help;grant;add'= {
        }
        &'fh;help;grant;remove'= {
        }
        &'fh;help;grant;list'= {
        }
        &'fh;help;token'= {
            cand create 'Make a token, and print it: the only time that it is shown'
            cand list 'List your tokens, newest first'
            cand inspect 'Show what a token says, and what its server says of it'
            cand revoke 'Make tokens useless, at once and for good'
        }
        &'fh;help;token;create'= {
        }
        &'fh;help;token;list'= {
        }
        &'fh;help;token;inspect'= {
        }
        &'fh;help;token;revoke'= {
        }
        &'fh;help;user'= {
            cand create 'Make an account'
            cand list 'List all accounts'
        }
        &'fh;help;user;create'= {
        }
        &'fh;help;user;list'= {
        }
        &'fh;help;serve'= {
        }
        &'fh;help;completion'= {
        }
        &'fh;help;man'= {
        }
        &'fh;help;help'= {
        }
    ]
    $completions[$command]
}
