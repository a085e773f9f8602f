//! What a check says: a word for each link, and what they amount to.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Names of all links, in the order in which they are judged.
pub const LINKS: [&str; 12] = [
    "form", "network", "model", "call", "group", "header", "text", "instant", "proof", "work", "chain",
    "paid",
];
/// How many of them must be ok for an answer to be proven; `instant` may be absent.
const NEEDED: usize = 10;

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    Ok,
    /// Not to be judged here.
    Open,
    /// The receipt has no such part.
    Absent,
    /// It does not hold.
    Fail,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Open => "open",
            Self::Absent => "absent",
            Self::Fail => "fail",
        }
    }
}

/// One line of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// One of [`LINKS`].
    pub name: &'static str,
    /// What became of it.
    pub status: Status,
    /// A few words for people; may be empty.
    pub detail: String,
}

/// What became of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In order, up to the first that fails, which is the last.
    pub links: Vec<Link>,
}

impl Verdict {
    /// 0 proven, 1 a link fails, 3 a needed one is open or absent.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.links.iter().any(|link| link.status == Status::Fail) {
            return 1;
        }
        let whole = LINKS.iter().take(NEEDED).all(|name| match self.status(name) {
            Some(Status::Ok) => true,
            Some(Status::Absent) => *name == "instant",
            _ => false,
        });
        if whole { 0 } else { 3 }
    }

    /// Of a link by name, None if it was not reached.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Status> {
        self.links.iter().find(|link| link.name == name).map(|link| link.status)
    }

    /// `{"exit":0,"links":[{"name":"form","status":"ok","detail":"..."}]}`, ASCII.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"exit\":{},\"links\":[", self.exit_code());
        for (place, link) in self.links.iter().enumerate() {
            out.push_str(if place == 0 { "{\"name\":\"" } else { ",{\"name\":\"" });
            out.push_str(link.name);
            out.push_str("\",\"status\":\"");
            out.push_str(link.status.word());
            out.push_str("\",\"detail\":\"");
            for one in link.detail.chars() {
                match one {
                    '"' | '\\' => out.extend(['\\', one]),
                    ' '..='~' => out.push(one),
                    _ => out.push('?'),
                }
            }
            out.push_str("\"}");
        }
        out.push_str("]}");
        out
    }
}
