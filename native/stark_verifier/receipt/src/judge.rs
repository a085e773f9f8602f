//! The check of a receipt: all links in order, up to the first that fails.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::around::{Around, Network};
use crate::form::{self, Proven, Receipt};
use crate::links::{call, chain, group, header, instant, model, network, paid, proof, text, work};
use crate::proofs::ProofJudge;
use crate::records::{CallGroup, Header, LlmCall, NamedModel, Transaction};
use crate::verdict::{LINKS, Link, Status, Verdict};

/// A link does not hold; what differs.
#[derive(Debug)]
pub(crate) struct Broken(pub String);

impl From<&'static str> for Broken {
    fn from(words: &'static str) -> Self {
        Self(words.to_string())
    }
}

/// Status and words of a link.
pub(crate) type Judged = Result<(Status, String), Broken>;

/// A proof under judgement: its parts, and what the links have read of them so far.
pub(crate) struct Case<'a> {
    pub receipt: &'a Receipt<'a>,
    pub proven: &'a Proven,
    pub around: &'a Around,
    pub judge: &'a dyn ProofJudge,
    pub network: &'a Network,
    pub read: model::ReadParts,
    /// Of a lane the answer's transaction; *call*.
    pub result: Option<Transaction>,
    /// *group*.
    pub group: Option<CallGroup>,
    /// *chain*.
    pub chain_holds: bool,
}

impl Case<'_> {
    pub fn call(&self) -> &LlmCall {
        &self.read.call
    }

    pub fn header(&self) -> &Header {
        &self.read.header
    }

    pub fn call_model(&self) -> &NamedModel {
        &self.read.call_model
    }

    /// The transaction that the block holds: of a lane the result, else the call.
    pub fn answering(&self) -> &Transaction {
        self.result.as_ref().unwrap_or(&self.read.made)
    }

    /// Tokens of the call's answer; none before *group*.
    pub fn answer(&self) -> &[u32] {
        let part = &self.proven.group;
        part.members.get(part.position).map_or(&[], |member| &member.answer)
    }
}

/// The verdict on a file, whatever it holds.
#[must_use]
pub fn judge_bytes(data: &[u8], around: &Around, judge: &dyn ProofJudge) -> Verdict {
    let mut links = Vec::with_capacity(LINKS.len());
    let receipt = match form::read(data) {
        Ok(receipt) => receipt,
        Err(error) => {
            let words = format!("not in the one form: at byte {} must stand {}", error.at, error.expected);
            tell(&mut links, "form", Err(Broken(words)));
            return Verdict { links };
        }
    };
    let kind = if receipt.proven.is_some() { "proof" } else { "promise" };
    tell(&mut links, "form", Ok((Status::Ok, format!("{} bytes, {kind}", data.len()))));
    match network::known(&receipt, around) {
        Ok((known, words)) => {
            tell(&mut links, "network", Ok((Status::Ok, words)));
            match &receipt.proven {
                Some(proven) => judge_proof(&mut links, &receipt, proven, known, around, judge),
                None => judge_promise(&mut links, &receipt, known, around),
            };
        }
        Err(broken) => {
            tell(&mut links, "network", Err(broken));
        }
    }
    settle(&mut links);
    Verdict { links }
}

/// Whether to go on.
fn tell(links: &mut Vec<Link>, name: &'static str, judged: Judged) -> bool {
    let (status, detail) = judged.unwrap_or_else(|Broken(words)| (Status::Fail, words));
    links.push(Link { name, status, detail });
    status != Status::Fail
}

type JudgeLink = fn(&mut Case<'_>) -> Judged;

const OF_PROOF: [(&str, JudgeLink); 9] = [
    ("call", call::judge),
    ("group", group::judge),
    ("header", header::judge),
    ("text", text::judge),
    ("instant", instant::judge),
    ("proof", proof::judge),
    ("work", work::judge),
    ("chain", chain::judge),
    ("paid", paid::judge),
];

fn judge_proof<'a>(
    links: &mut Vec<Link>,
    receipt: &'a Receipt<'a>,
    proven: &'a Proven,
    network: &'a Network,
    around: &'a Around,
    judge: &'a dyn ProofJudge,
) {
    let (read, judged) = match model::read(proven, network, around) {
        Ok(found) => found,
        Err(broken) => {
            tell(links, "model", Err(broken));
            return;
        }
    };
    tell(links, "model", Ok(judged));
    let (result, group, chain_holds) = (None, None, false);
    let mut case = Case { receipt, proven, around, judge, network, read, result, group, chain_holds };
    for (name, judge_link) in OF_PROOF {
        if !tell(links, name, judge_link(&mut case)) {
            return;
        }
    }
}

fn judge_promise(links: &mut Vec<Link>, receipt: &Receipt<'_>, network: &Network, around: &Around) {
    let Some(signed) = &receipt.instant else { return };
    let (promise, model) = match model::read_promised(signed, network, around) {
        Ok((promise, model, judged)) => {
            tell(links, "model", Ok(judged));
            (promise, model)
        }
        Err(broken) => {
            tell(links, "model", Err(broken));
            return;
        }
    };
    let mut judged = [
        Some(text::judge_promised(receipt, &promise, model)),
        Some(instant::judge_promised(receipt, signed, network)),
    ]
    .into_iter();
    for name in LINKS.into_iter().skip(3) {
        let found = match name {
            "text" | "instant" => judged.next().flatten(),
            _ => None,
        };
        if !tell(links, name, found.unwrap_or(Ok((Status::Absent, String::new())))) {
            return;
        }
    }
}

/// A model that the anchor alone names is as good as the chain.
fn settle(links: &mut [Link]) {
    if !links.iter().any(|link| link.name == "chain" && link.status == Status::Ok) {
        return;
    }
    for link in links.iter_mut().filter(|link| link.name == "model" && link.status == Status::Open) {
        link.status = Status::Ok;
        link.detail = link.detail.replace(model::SETTLED, "by the anchor");
    }
}
