//! Whose files a login sets up, and the ways to see it without.

use fh_testkit::assert_contains;
use fh_testkit::server::TestServer;

use crate::world::{World, mode};

#[test]
fn the_machine_s_files() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write("etc-nix/nix.conf", "max-jobs = 1\n");
    let login = format!("login --scope system --server {} --json", server.url());
    let report = world.given(&login, server.admin_token()).success().json();
    assert_eq!(report["scope"], "system");
    let netrc = world.path("etc-nix/netrc");
    assert_eq!(mode(&netrc), 0o600);
    assert!(
        std::fs::read_to_string(&netrc)
            .unwrap()
            .contains(server.admin_token())
    );
    let conf = std::fs::read_to_string(world.path("etc-nix/nix.conf")).unwrap();
    // Nix reads the netrc beside it anyway.
    assert!(
        conf.starts_with("max-jobs = 1\nextra-substituters = ") && !conf.contains("netrc-file"),
        "{conf}"
    );
    assert!(!world.config("nix").exists());
    let again = world.given(&login, server.admin_token()).success().json();
    assert_eq!(again["changed"], false);
    world.typed("logout").success();
    assert!(!netrc.exists());
    assert_eq!(
        std::fs::read_to_string(world.path("etc-nix/nix.conf")).unwrap(),
        "max-jobs = 1\n"
    );
}

#[test]
fn root_means_the_machine_and_others_themselves() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let login = ["login", "--server", server.url(), "--json"];
    let report = world
        .with_stdin(&login, server.admin_token())
        .success()
        .json();
    let expected = if rustix::process::geteuid().is_root() {
        "system"
    } else {
        "user"
    };
    assert_eq!(report["scope"], expected);
}

#[test]
fn the_file_that_determinate_nix_leaves_to_people() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let theirs = "# written anew at each upgrade\n!include nix.custom.conf\n";
    world.write("etc-nix/nix.conf", theirs);
    world
        .with_stdin(
            &["login", "--scope", "system", "--server", server.url()],
            server.admin_token(),
        )
        .success();
    assert_eq!(
        std::fs::read_to_string(world.path("etc-nix/nix.conf")).unwrap(),
        theirs
    );
    let ours = std::fs::read_to_string(world.path("etc-nix/nix.custom.conf")).unwrap();
    assert_contains(&ours, &[server.url()]);
    world.typed("logout").success();
    assert!(!world.path("etc-nix/nix.custom.conf").exists());
}

#[test]
fn a_nix_conf_of_the_store_is_left_alone_and_the_lines_are_told() {
    let server = TestServer::start().unwrap();
    for (scope, conf) in [
        ("user", ".config/nix/nix.conf"),
        ("system", "etc-nix/nix.conf"),
    ] {
        let world = World::new();
        let conf = world.path(conf);
        std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
        let target = "/nix/store/00000000000000000000000000000000-home-manager-files/nix.conf";
        std::os::unix::fs::symlink(target, &conf).unwrap();
        let login = ["login", "--scope", scope, "--server", server.url()];
        let run = world.with_stdin(&login, server.admin_token()).success();
        run.says(&[&format!("extra-substituters = [ \"{}\" ]", server.url())]);
        assert_eq!(
            run.stderr.contains("netrc-file ="),
            scope == "user",
            "{}",
            run.stderr
        );
        assert_eq!(std::fs::read_link(&conf).unwrap().to_str(), Some(target));
        assert!(conf.with_file_name("netrc").exists());
        let again = world
            .with_stdin(&[&login[..], &["--json"]].concat(), server.admin_token())
            .success()
            .json();
        assert_eq!(again["changed"], false);
        assert!(
            again["snippet"]
                .as_str()
                .unwrap()
                .starts_with("nix.settings = {")
        );
        world.typed("logout").success();
        assert!(!conf.with_file_name("netrc").exists());
    }
}

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write(
        ".config/nix/netrc",
        "machine a.org login me password hunter2\n",
    );
    let before = world.everything();
    let login = ["login", "--scope", "user", "--server", server.url()];
    let run = world
        .with_stdin(&[&login[..], &["--dry-run"]].concat(), server.admin_token())
        .success();
    run.says(&["+machine 127.0.0.1 login admin"]);
    run.never_says(&["hunter2", server.admin_token()]);
    let report = world
        .with_stdin(
            &[&login[..], &["--dry-run", "--json"]].concat(),
            server.admin_token(),
        )
        .success()
        .json();
    assert_eq!(
        (&report["changed"], &report["dry_run"]),
        (&true.into(), &true.into())
    );

    let run = world
        .with_stdin(&[&login[..], &["--print"]].concat(), server.admin_token())
        .success();
    let netrc = format!(
        "machine 127.0.0.1 login admin password {}\n",
        server.admin_token()
    );
    assert_contains(&run.stdout, &[&netrc]);
    assert!(
        run.stdout
            .contains(&format!("\nextra-substituters = {}\n", server.url()))
    );
    assert_eq!(run.stderr, "");
    assert_eq!(world.everything(), before);
}

#[test]
fn one_file_can_be_left_out() {
    let server = TestServer::start().unwrap();
    let login = ["login", "--scope", "user", "--server", server.url()];
    let world = World::new();
    world
        .with_stdin(
            &[&login[..], &["--no-netrc"]].concat(),
            server.admin_token(),
        )
        .success();
    assert!(!world.config("nix/netrc").exists());
    assert!(!world.read("nix/nix.conf").contains("netrc-file"));
    let world = World::new();
    world
        .with_stdin(
            &[&login[..], &["--no-nix-conf"]].concat(),
            server.admin_token(),
        )
        .success();
    assert!(world.config("nix/netrc").exists());
    assert!(!world.config("nix/nix.conf").exists());
}

#[test]
fn without_a_network_a_machine_is_set_up_as_far_as_it_goes() {
    let mut server = TestServer::start().unwrap();
    let token = server.admin_token().to_owned();
    let world = World::new();
    world.write("token", &token);
    let url = server.url().to_owned();
    let offline = ["login", "--server", &url, "--token-file", "token"];
    let offline = [&offline[..], &["--scope", "system", "--offline"]].concat();
    server.stop().unwrap();
    // The keys are not known yet.
    world.fh(&offline).code(2);
    let at_boot = [&offline[..], &["--no-nix-conf"]].concat();
    world.fh(&at_boot).success();
    let netrc = std::fs::read_to_string(world.path("etc-nix/netrc")).unwrap();
    assert_eq!(
        netrc,
        format!("machine 127.0.0.1 login fh password {token}\n")
    );
    let before = world.everything();
    world.fh(&at_boot).success().says(&["Already set up"]);
    assert_eq!(world.everything(), before);

    // What a configuration makes is not written anyway: then the netrc alone is, and that is said.
    let other = World::new();
    other.write("token", &token);
    let generated = "/nix/store/00000000000000000000000000000000-nix.conf";
    std::os::unix::fs::symlink(generated, other.path("etc-nix/nix.conf")).unwrap();
    let run = other.fh(&offline).success();
    let told = "nix.conf is generated from a configuration, and was not changed";
    run.says(&[told, "`nix.settings`"]);
    assert_eq!(
        std::fs::read_to_string(other.path("etc-nix/netrc")).unwrap(),
        netrc
    );

    // Once they are, nix.conf can be written too, and what a login wrote is right.
    server.restart().unwrap();
    let online = ["login", "--token-file", "token", "--scope", "system"];
    world.fh(&online).success();
    server.stop().unwrap();
    let before = world.everything();
    world.fh(&[&online[..], &["--offline"]].concat()).success();
    assert_eq!(world.everything(), before);
}
