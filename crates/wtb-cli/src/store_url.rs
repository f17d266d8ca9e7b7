//! Where the store is: from a flag, a variable, the bench file or the default, to its address.
//!
//! An address is the absolute path of a database, or whatever the user wrote with a `://` in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wtb_store::Store;

use crate::error::CliError;
use crate::surroundings::Surroundings;

/// The variable that names the store.
pub(crate) const VARIABLE: &str = "WTB_STORE";
/// The directory of the store where nothing names another.
const DEFAULT_DIRECTORY: &str = ".wtb";
/// The directory of workspaces beside a store.
const WORKSPACES: &str = "workspaces";
/// The database within a store's directory.
const DATABASE: &str = "wtb.db";

/// Returns the address of the store: the flag's, else the variable's, else `from_file` (a text and
/// the directory that it is relative to), else `.wtb` in the working directory.
pub(crate) fn locate(
    flag: Option<&str>,
    from_file: Option<(&str, &Path)>,
    surroundings: &Surroundings<'_>,
) -> String {
    let here = surroundings.directory.as_path();
    let named = flag.map(str::to_owned).or_else(|| surroundings.variable(VARIABLE));
    match (named, from_file) {
        (Some(text), _) => address(&text, here),
        (None, Some((text, directory))) => address(text, directory),
        (None, None) => address(DEFAULT_DIRECTORY, here),
    }
}

/// Opens a store that has to be there.
pub(crate) fn open(address: &str) -> Result<Arc<dyn Store>, CliError> {
    check_there(address)?;
    Ok(wtb_engine::open_store(address, false)?)
}

/// Says how to get a store where no file is.
pub(crate) fn check_there(address: &str) -> Result<(), CliError> {
    if !address.contains("://") && !Path::new(address).exists() {
        return Err(CliError::usage(format!("there is no store at `{address}`"))
            .hint("`wtb run` creates one; `--store` or the variable `WTB_STORE` names another"));
    }
    Ok(())
}

/// Returns where workspaces are made: beside a store in files, else in `.wtb`. The package makes them
/// there by the same rule.
pub(crate) fn workspaces(address: &str, surroundings: &Surroundings<'_>) -> PathBuf {
    let here = surroundings.directory.as_path();
    let path = address.strip_prefix("sqlite:///").unwrap_or(address);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path.contains("://") {
        return here.join(DEFAULT_DIRECTORY).join(WORKSPACES);
    }
    here.join(path).parent().unwrap_or(here).join(WORKSPACES)
}

fn address(text: &str, directory: &Path) -> String {
    if text.contains("://") {
        return text.to_owned();
    }
    let path = directory.join(text);
    let is_database = path.is_file()
        || path.extension().is_some_and(|extension| extension == "db" || extension == "sqlite");
    let database = if is_database { path } else { path.join(DATABASE) };
    database.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::surroundings;

    #[test]
    fn a_flag_wins_over_the_variable_over_the_file_over_the_default() {
        let with_variable = |name: &str| (name == VARIABLE).then(|| "elsewhere".to_owned());
        let nothing = |_: &str| None;
        let file = Some(("results", Path::new("/bench")));
        let set = surroundings(&with_variable, "/cwd");
        assert_eq!(locate(Some("/x/my.db"), file, &set), "/x/my.db");
        assert_eq!(locate(None, file, &set), "/cwd/elsewhere/wtb.db");
        let unset = surroundings(&nothing, "/cwd");
        assert_eq!(locate(None, file, &unset), "/bench/results/wtb.db");
        assert_eq!(locate(None, None, &unset), "/cwd/.wtb/wtb.db");
        assert_eq!(locate(Some("sqlite:///a/b.db"), None, &unset), "sqlite:///a/b.db");
    }

    #[test]
    fn workspaces_are_beside_a_store_in_files() {
        let set = surroundings(&|_| None, "/cwd");
        let there = |address| workspaces(address, &set).display().to_string();
        assert_eq!(there("/a/.wtb/wtb.db"), "/a/.wtb/workspaces");
        assert_eq!(there("sqlite:////a/b.db?synchronous=full"), "/a/workspaces");
        assert_eq!(there("sqlite:///a/b.db"), "/cwd/a/workspaces");
        assert_eq!(there("postgresql://host/wtb"), "/cwd/.wtb/workspaces");
    }
}
