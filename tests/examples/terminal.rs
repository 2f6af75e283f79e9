//! Where a command asks.

use std::process::Command;
use std::time::Duration;

use expectrl::{Any, Eof, Expect as _, Needle, Session};

/// Runs a command on a terminal, and answers each question that ends with the first of a pair by the second. What it
/// printed is given back.
pub(crate) fn answered(command: Command, answers: &[(String, String)]) -> String {
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(60)));
    let mut said = String::new();
    loop {
        let mut awaited: Vec<Box<dyn Needle>> = Vec::new();
        for (question, _) in answers {
            awaited.push(Box::new(question.clone()));
        }
        awaited.push(Box::new(Eof));
        let captured = match session.expect(Any::boxed(awaited)) {
            Ok(captured) => captured,
            Err(error) => return format!("{said}\n[no end and no question: {error}]"),
        };
        let text = String::from_utf8_lossy(captured.as_bytes()).into_owned();
        said.push_str(&text);
        let Some((_, answer)) = answers
            .iter()
            .find(|(question, _)| text.ends_with(question))
        else {
            return said.replace('\r', "");
        };
        session.send(format!("{answer}\r")).unwrap();
    }
}
