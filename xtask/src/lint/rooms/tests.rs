use super::*;

/// A crate of these files; `lib.rs` is its root.
struct Crate(tempfile::TempDir);

impl Crate {
    fn of(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn graph(&self) -> Graph {
        Graph::read(&self.0.path().join("lib.rs")).unwrap()
    }

    /// The arrows as `from → to (names)`.
    fn arrows(&self) -> Vec<String> {
        let graph = self.graph();
        let arrows = graph.arrows.keys();
        arrows.map(|&arrow| described(&graph, arrow)).collect()
    }
}

#[test]
fn an_arrow_leads_to_the_file_that_defines_a_name_through_re_exports() {
    let house = Crate::of(&[
        ("lib.rs", "mod a; mod b; pub use b::Deep;"),
        (
            "a.rs",
            "use crate::Deep; fn f(_: Deep) { crate::b::deep::g(); }",
        ),
        ("b/mod.rs", "mod deep; pub use deep::Deep; pub struct Flat;"),
        ("b/deep.rs", "pub struct Deep; pub fn g() {}"),
    ]);
    assert_eq!(house.arrows(), ["a.rs → b/deep.rs (Deep, g)"]);
    assert!(circles(&house.graph()).is_empty());
}

#[test]
fn a_circle_is_told_once_with_the_arrows_that_make_it() {
    let house = Crate::of(&[
        (
            "lib.rs",
            "mod a; mod b; mod c; use a::A; use b::B; use c::C;",
        ),
        ("a.rs", "pub struct A(super::b::B);"),
        ("b.rs", "pub struct B; fn f() { crate::c::f(); }"),
        ("c.rs", "use super::a; pub struct C; pub fn f(_: a::A) {}"),
    ]);
    assert_eq!(
        circles(&house.graph()),
        ["a circle of 3 files:\n    a.rs → b.rs (B)\n    b.rs → c.rs (f)\n    c.rs → a.rs (A)"]
    );
}

#[test]
fn macros_attributes_and_globs_name_things_too_and_tests_do_not() {
    let house = Crate::of(&[
        ("lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
        ("a.rs", "fn f() { println!(\"{}\", crate::b::VALUE); }"),
        (
            "b.rs",
            "pub const VALUE: u8 = 1; #[cfg(test)] use crate::a::f; #[cfg(test)] mod tests;",
        ),
        (
            "c.rs",
            "struct S { #[serde(with = \"crate::d::text\")] s: u8 }",
        ),
        ("d.rs", "pub fn text() {}"),
        ("e.rs", "use crate::d::*; fn f() { text(); }"),
    ]);
    assert_eq!(
        house.arrows(),
        [
            "a.rs → b.rs (VALUE)",
            "c.rs → d.rs (text)",
            "e.rs → d.rs (text)"
        ]
    );
}

#[test]
fn methods_that_stand_outside_the_file_of_their_type_are_named() {
    let house = Crate::of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; impl A { fn f() {} }"),
        (
            "b.rs",
            "use crate::a::A; impl A { fn g() {} } impl Drop for A { fn drop(&mut self) {} }",
        ),
    ]);
    assert_eq!(
        strayed(&house.graph()),
        ["b.rs has methods of A, which stands in a.rs"]
    );
}

#[test]
fn arrows_point_down_from_floor_to_floor() {
    let house = Crate::of(&[
        (
            "lib.rs",
            "mod top; mod left; mod right; pub struct Root; pub use top::f;",
        ),
        (
            "top.rs",
            "pub fn f() { crate::left::f(); crate::right::f(); }",
        ),
        ("left.rs", "pub fn f() { crate::right::f(); }"),
        ("right/mod.rs", "pub fn f() { let _ = crate::Root; }"),
    ]);
    let floors = |text: &[&[&str]]| -> Floors {
        text.iter()
            .map(|floor| floor.iter().map(|&room| room.to_owned()).collect())
            .collect()
    };
    assert_eq!(
        upward(&house.graph(), &floors(&[&["top"], &["left", "right"]])),
        [
            "an arrow that points up: left.rs → right/mod.rs (f)",
            "an arrow that points up: right/mod.rs → lib.rs (Root)"
        ]
    );
    assert_eq!(
        upward(&house.graph(), &floors(&[&["top"], &["left"], &["attic"]])),
        [
            "the picture has a room attic that is not there",
            "the picture lacks the room right",
            "an arrow that points up: right/mod.rs → lib.rs (Root)"
        ]
    );
}
