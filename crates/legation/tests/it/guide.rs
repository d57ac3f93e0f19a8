//! The operator guide says what the program does.

use policy::{
    negotiation::{ROWS, Verdict},
    settings::{SETTINGS, Unit},
};

use crate::harness::Place;

const README: &str = include_str!("../../../../README.md");
const GUIDE: &str = include_str!("../../../../docs/operator-guide.md");

const CONNECT: [(&str, &str); 7] = [
    ("README.md", include_str!("../../../../docs/connect/README.md")),
    ("asterisk.md", include_str!("../../../../docs/connect/asterisk.md")),
    ("ejabberd.md", include_str!("../../../../docs/connect/ejabberd.md")),
    ("kamailio.md", include_str!("../../../../docs/connect/kamailio.md")),
    ("opensips.md", include_str!("../../../../docs/connect/opensips.md")),
    ("prosody.md", include_str!("../../../../docs/connect/prosody.md")),
    ("skype-for-business.md", include_str!("../../../../docs/connect/skype-for-business.md")),
];

#[test]
fn every_row_of_the_guide_is_that_of_policy() {
    for row in &ROWS {
        let negotiation = row.negotiation;
        let verdict = match row.verdict {
            Verdict::Permitted([]) => "ok".to_owned(),
            Verdict::Permitted(warnings) => {
                let codes: Vec<_> = warnings.iter().map(|warning| format!("`{}`", warning.as_str())).collect();
                format!("warning{} {}", if codes.len() > 1 { "s" } else { "" }, codes.join(", "))
            }
            Verdict::Invalid(invalid) => format!("**invalid** `{}`", invalid.as_str()),
        };
        let line = format!(
            "| {} | {} | {} | {} | {} | {verdict} |",
            row.number,
            negotiation.tls.as_str().replace('_', " "),
            negotiation.sasl.as_str().replace('_', " "),
            negotiation.dialback,
            row.methods.to_string().replace("none", "–"),
        );
        assert!(GUIDE.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn every_setting_is_explained_in_the_same_words() {
    for setting in &SETTINGS {
        let start = format!("| `{}` | ", setting.name);
        let found: Vec<_> = GUIDE.lines().filter(|line| line.starts_with(&start)).collect();
        assert_eq!(found.len(), 1, "{}", setting.name);
        assert!(found[0].ends_with(&format!(" | {} |", setting.meaning)), "{}", found[0]);
        if let (Some(Unit::Count | Unit::Seconds), Some((min, max))) = (setting.unit(), setting.limits()) {
            let limits = format!(" | {min}–{max} | ");
            assert!(found[0].replace(',', "").contains(&limits), "{limits}: {}", found[0]);
        }
    }
}

/// Each option in a table cell or an example is one that the help of some command shows.
#[test]
fn every_option_of_the_guide_is_known_to_the_program() {
    let place = Place::new();
    let commands = [
        &["init"][..],
        &["serve"],
        &["partner", "add"],
        &["partner", "set"],
        &["domain", "add"],
        &["domain", "set"],
        &["trunk", "add"],
        &["trunk", "set"],
        &["user", "add"],
        &["user", "backend"],
        &["policy", "add"],
        &["partner", "import"],
        &["admin", "add"],
        &["admin", "token", "add"],
        &["partner", "export"],
        &["policy", "assign"],
        &["settings", "set"],
        &["contact", "list"],
        &["audit", "list"],
        &["man"],
        &["message", "test"],
        &["probe"],
        &["report", "list"],
        &["registration", "list"],
        &["stream", "close"],
    ];
    let help = commands.map(|command| place.run(&[command, &["--help"]].concat()).succeeded().stdout).join("\n");
    let is_end = |c: char| !(c.is_ascii_lowercase() || c == '-');
    let mut options = GUIDE.split("--").skip(1).map(|rest| rest.split(is_end).next().unwrap()).collect::<Vec<_>>();
    options.retain(|name| !name.is_empty() && !name.starts_with('-'));
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        assert!(help.contains(&format!("--{option} ")) || help.contains(&format!("--{option}\n")), "--{option}");
    }
}

/// Every command of the pages about deployments exists with its options.
#[test]
fn the_commands_of_the_pages_about_deployments_are_understood() {
    let place = Place::new();
    let mut known = std::collections::BTreeMap::new();
    for (page, text) in CONNECT {
        let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("legation ")).collect();
        assert!(commands.len() > 2, "{page}: {commands:?}");
        for command in commands {
            let words: Vec<_> = command.split_whitespace().take_while(|word| !word.starts_with("--")).take(2).collect();
            let help = known
                .entry(words.clone())
                .or_insert_with(|| place.run(&[&words[..], &["--help"]].concat()).succeeded().stdout);
            for option in command.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(help.contains(&format!("{option} ")), "{page}: {command}: {option}");
            }
        }
    }
}

/// The commands of the README, as far as they go without a prompt, in its order.
#[test]
fn the_commands_of_the_readme_are_understood() {
    let lines = README.lines().filter_map(|line| line.strip_prefix("    legation "));
    let commands: Vec<_> = lines.map(|line| line.split('#').next().unwrap_or(line).trim()).collect();
    assert!(commands.len() > 5, "{commands:?}");
    let place = Place::new();
    for command in commands {
        let words: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let help = place.run(&words).succeeded().stdout;
        for name in command.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(help.contains(&format!("{name} ")), "{command}: {name}");
        }
    }
}
