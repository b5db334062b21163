//! Lays one tree over another.

use crate::feed::fault::Findings;
use crate::feed::node::{Entry, Node, Value, shortened};

/// Lists whose items are merged by their `name`.
const BY_NAME: [&str; 2] = ["fields", "rules"];

/// `upper` wins over `base`; see the module above for the rules. A clash is found where `upper` stands.
pub(super) fn over(base: Node, upper: Node, findings: &mut Findings) -> Node {
    match (base.value, upper.value) {
        (Value::Map(base), Value::Map(upper_entries)) => {
            Node { at: upper.at, value: Value::Map(map(base, upper_entries, findings)) }
        }
        // What is refused is reported already.
        (base, upper_value) if alike(&base, &upper_value) => Node { at: upper.at, value: upper_value },
        (base, upper_value) => {
            let message = format!(
                "found {}, but a template has {} here: they cannot be merged",
                upper_value.describe(),
                base.describe()
            );
            findings.add(upper.at, message);
            Node { at: upper.at, value: Value::Refused }
        }
    }
}

fn alike(base: &Value, upper: &Value) -> bool {
    match (base, upper) {
        (Value::Refused, _) | (_, Value::Refused) => true,
        (base, upper) => std::mem::discriminant(base) == std::mem::discriminant(upper),
    }
}

fn map(mut base: Vec<Entry>, upper: Vec<Entry>, findings: &mut Findings) -> Vec<Entry> {
    for entry in upper {
        let Some(at) = base.iter().position(|known| known.key == entry.key) else {
            base.push(entry);
            continue;
        };
        let under = std::mem::replace(&mut base[at].node, Node { at: entry.key_at, value: Value::Refused });
        let key = entry.key.as_str();
        let merged = findings.within(key, |findings| match (under.value, entry.node.value) {
            // A rule's `fields` are names, not fields.
            (Value::List(under), Value::List(upper))
                if BY_NAME.contains(&key)
                    && under.iter().chain(&upper).any(|item| matches!(item.value, Value::Map(_))) =>
            {
                Node { at: entry.node.at, value: Value::List(by_name(under, upper, findings)) }
            }
            (under_value, upper) => {
                let under = Node { at: under.at, value: under_value };
                over(under, Node { at: entry.node.at, value: upper }, findings)
            }
        });
        base[at] = Entry { key: entry.key, key_at: entry.key_at, node: merged };
    }
    base
}

/// Items of one name become one, where the first of them stands; one without a name stands for itself. A name that
/// `upper` has twice is left there twice, for the check to refuse.
fn by_name(mut base: Vec<Node>, upper: Vec<Node>, findings: &mut Findings) -> Vec<Node> {
    let inherited = base.len();
    let mut merged = vec![false; inherited];
    for item in upper {
        let of_name = |known: &Node| item.text("name").is_some() && known.text("name") == item.text("name");
        match base.iter().take(inherited).position(of_name) {
            Some(at) if !merged[at] => {
                merged[at] = true;
                let name = item.text("name").map(shortened);
                let under = std::mem::replace(&mut base[at], Node { at: item.at, value: Value::Refused });
                base[at] = findings.named(name.as_deref(), |findings| over(under, item, findings));
            }
            _ => base.push(item),
        }
    }
    base
}
