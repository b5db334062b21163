//! Checks the way to a field's member in a JSON value.

use crate::feed::decode::Written;
use crate::feed::fault::Findings;
use crate::feed::node::shortened;

/// Deeper members would ask for as many walks through the value.
const DEEPEST: usize = 16;

/// A JSON Pointer (RFC 6901) as its tokens, decoded.
pub(super) fn pointer(written: &Written<String>, findings: &mut Findings) -> Option<Vec<String>> {
    let tokens = tokens(&written.value).filter(|tokens| tokens.len() <= DEEPEST);
    if tokens.is_none() {
        let message = format!(
            "`{}` is no JSON Pointer to a member; expected as in `/address/city`, at most {DEEPEST} deep, `~1` for a \
             slash in a name and `~0` for a tilde",
            shortened(&written.value)
        );
        findings.within("pointer", |f| f.add(written.at, message));
    }
    tokens
}

/// `None`: it is none, or points at the whole value.
fn tokens(text: &str) -> Option<Vec<String>> {
    text.strip_prefix('/')?.split('/').map(decoded).collect()
}

/// `~1` is a slash, `~0` a tilde, and a tilde nothing else.
fn decoded(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut decoded = parts.next()?.to_owned();
    for part in parts {
        let rest =
            part.strip_prefix('1').map(|rest| ('/', rest)).or_else(|| part.strip_prefix('0').map(|rest| ('~', rest)));
        let (character, rest) = rest?;
        decoded.push(character);
        decoded.push_str(rest);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn a_pointer_is_its_tokens() {
        let of = |text: &str| tokens(text).map(|tokens| tokens.join("|"));
        assert_eq!(of("/address/city").as_deref(), Some("address|city"));
        assert_eq!(of("/a~1b/~0c").as_deref(), Some("a/b|~c"));
        for none in ["", "city", "/a~2", "/a~"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
