//! Splits a connection URL that names several hosts, as libpq knows them, into one URL per host.

/// `postgres://u:p@a:1,b:2/db?x=y` gives a URL for `a:1` and one for `b:2`; a URL of one host is given as it is.
/// A host without a port has the default one (libpq: PostgreSQL documentation, "Connection URIs").
pub(super) fn urls(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{tail}")).collect()
}

#[cfg(test)]
mod tests {
    use super::urls;

    #[test]
    fn one_host_stays_as_it_is() {
        for url in ["postgres://u:p@h:1/db?x=y", "postgres://h", "postgres:///db?host=/run", "nonsense"] {
            assert_eq!(urls(url), [url]);
        }
    }

    #[test]
    fn several_hosts_share_user_database_and_parameters() {
        assert_eq!(
            urls("postgres://u:p%40@a:1,b/db?options=-csearch_path%3Dx,y"),
            [
                "postgres://u:p%40@a:1/db?options=-csearch_path%3Dx,y",
                "postgres://u:p%40@b/db?options=-csearch_path%3Dx,y"
            ]
        );
    }
}
