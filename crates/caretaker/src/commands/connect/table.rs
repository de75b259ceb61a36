//! Many stores in a CSV file: a line for each, with what `connect` takes as words. Secrets stand in files, here too.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use connectors::registry;
use csv::StringRecord;
use domain::ConnectionId;
use flows::FlowError;

use crate::arguments::{Connect, ConnectBigcommerce, ConnectShopify, ConnectStore};
use crate::names::Tag;

/// What a column may be called.
const COLUMNS: &[&str] = &[
    "platform",
    "name",
    "url",
    "token_file",
    "client_id",
    "client_secret_file",
    "ca_file",
    "region",
    "tags",
];
/// A file has so many lines at most. Whoever has more has several files.
const ROWS_MAX: usize = 10_000;

/// A line, by its columns.
struct Row<'f> {
    folder: &'f Path,
    header: &'f StringRecord,
    cells: StringRecord,
}

/// What stands in a file.
///
/// # Errors
/// Usage, with the line and what is wrong there: in the first that is wrong.
pub(super) fn rows(file: &Path) -> anyhow::Result<Vec<Connect>> {
    let shown = file.display();
    let unreadable = |error: csv::Error| FlowError::Input(format!("`{shown}` cannot be read: {error}"));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        let why = format!("`{shown}` has a column `{unknown}`: the columns are {}", COLUMNS.join(", "));
        return Err(FlowError::Input(why).into());
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let (mut all, mut names) = (Vec::new(), BTreeSet::new());
    for cells in reader.records() {
        let cells = cells.map_err(unreadable)?;
        let number = cells.position().map_or(0, csv::Position::line);
        let wrong = |why: String| FlowError::Input(format!("`{shown}`, line {number}: {why}"));
        if all.len() == ROWS_MAX {
            return Err(wrong(format!("a file has at most {ROWS_MAX} stores: make two of it")).into());
        }
        let row = Row { folder, header: &header, cells };
        let connect = row.connect().map_err(wrong)?;
        if !names.insert(connect.name().clone()) {
            return Err(wrong(format!("`{}` stands there twice", connect.name())).into());
        }
        all.push(connect);
    }
    if all.is_empty() {
        return Err(FlowError::Input(format!("`{shown}` names no store")).into());
    }
    Ok(all)
}

impl Row<'_> {
    /// What stands in a column; an empty cell is none.
    fn cell(&self, column: &str) -> Option<&str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.cells.get(at).filter(|text| !text.is_empty())
    }

    fn needs(&self, column: &str) -> Result<&str, String> {
        self.cell(column).ok_or_else(|| format!("`{column}` is empty"))
    }

    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>, String> {
        let parse = |text: &str| text.parse().map_err(|error| format!("`{column}`: {error}"));
        self.cell(column).map(parse).transpose()
    }

    fn file(&self, column: &str) -> Option<PathBuf> {
        self.cell(column).map(|path| self.folder.join(path))
    }

    fn tags(&self) -> Result<Vec<Tag>, String> {
        let tags = self.cell("tags").unwrap_or_default().split_whitespace();
        tags.map(|tag| tag.parse().map_err(|error| format!("`{tag}`: {error}"))).collect()
    }

    /// Refuses what is said and means nothing for this platform: whoever wrote it meant something.
    fn has_only(&self, columns: &[&str]) -> Result<(), String> {
        const OF_ALL: &[&str] = &["platform", "name", "region", "tags"];
        let other = |column: &&&str| {
            self.cell(column).is_some() && !columns.contains(*column) && !OF_ALL.contains(*column)
        };
        match COLUMNS.iter().find(other) {
            Some(column) => Err(format!("`{column}` means nothing there")),
            None => Ok(()),
        }
    }

    fn connect(&self) -> Result<Connect, String> {
        let name: ConnectionId = self.parsed("name")?.ok_or("`name` is empty")?;
        let (tag, region) = (self.tags()?, self.parsed("region")?);
        let store = ConnectStore { tag: tag.clone(), ca_file: self.file("ca_file"), region: region.clone() };
        match self.needs("platform")? {
            "shopify" => {
                self.has_only(&["url", "token_file", "client_id", "client_secret_file", "ca_file"])?;
                let by_app = (self.cell("client_id"), self.file("client_secret_file"));
                match (&by_app, self.cell("token_file")) {
                    ((Some(_), Some(_)), None) | ((None, _), Some(_)) => {}
                    _ => {
                        return Err(
                            "it takes `token_file`, or `client_id` and `client_secret_file`".to_owned()
                        );
                    }
                }
                Ok(Connect::Shopify(ConnectShopify {
                    name,
                    url: self.needs("url")?.to_owned(),
                    store,
                    client_id: by_app.0.map(str::to_owned),
                    client_secret_file: by_app.1,
                    token_file: self.file("token_file"),
                    refresh_token_file: None,
                    token_expires_at: None,
                }))
            }
            "bigcommerce" => {
                self.has_only(&["url", "token_file", "client_secret_file", "ca_file"])?;
                let token_file = self.needs("token_file")?;
                Ok(Connect::Bigcommerce(ConnectBigcommerce {
                    name,
                    url: self.needs("url")?.to_owned(),
                    store,
                    token_file: self.folder.join(token_file),
                    client_secret_file: self.file("client_secret_file"),
                }))
            }
            registry::FILES => {
                self.has_only(&[])?;
                Ok(Connect::Jsonl { name, tag, region })
            }
            other => {
                let known: Vec<&str> = registry::names().collect();
                Err(format!("there is no platform `{other}`: {} are", known.join(", ")))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Connect>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stores.csv");
        std::fs::write(&file, text).unwrap();
        rows(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_what_connect_takes_as_words() {
        let text = "name,platform,url,token_file,client_id,client_secret_file,tags\n\
            shop,shopify,https://a.example,token,,,eu  big\n\
            app , shopify,https://b.example,,id,/secret,\n\
            other,bigcommerce,https://c.example,t,,,\n\
            files,jsonl,,,,,eu\n";
        let all = read(text).unwrap();
        let names: Vec<&str> = all.iter().map(|one| one.name().as_str()).collect();
        assert_eq!(names, ["shop", "app", "other", "files"]);
        let [
            Connect::Shopify(shop),
            Connect::Shopify(app),
            Connect::Bigcommerce(other),
            Connect::Jsonl { tag, .. },
        ] = &*all
        else {
            unreachable!("{all:?}")
        };
        assert_eq!(shop.store.tag.iter().map(Tag::as_str).collect::<Vec<_>>(), ["eu", "big"]);
        assert!(shop.token_file.as_ref().unwrap().ends_with("token"));
        assert!(shop.token_file.as_ref().unwrap().is_absolute(), "it lies beside the file");
        assert_eq!(app.client_secret_file.as_deref(), Some(Path::new("/secret")));
        assert_eq!((other.url.as_str(), tag.len()), ("https://c.example", 1));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let header = "platform,name,url,token_file,client_id,client_secret_file\n";
        for (lines, expected) in [
            ("", "names no store"),
            (
                "shopify,shop,https://a.example,t,,\nshopify,shop,https://b.example,t,,\n",
                "line 3: `shop` stands there twice",
            ),
            ("shopify,Shop!,https://a.example,t,,\n", "line 2: `name`: "),
            ("shopify,,https://a.example,t,,\n", "line 2: `name` is empty"),
            ("shopify,shop,,t,,\n", "line 2: `url` is empty"),
            ("shopify,shop,https://a.example,,,\n", "line 2: it takes `token_file`, or"),
            ("shopify,shop,https://a.example,,id,\n", "line 2: it takes `token_file`, or"),
            ("shopify,shop,https://a.example,t,id,s\n", "line 2: it takes `token_file`, or"),
            ("bigcommerce,shop,https://a.example,,,\n", "line 2: `token_file` is empty"),
            ("bigcommerce,shop,https://a.example,t,id,\n", "line 2: `client_id` means nothing there"),
            ("jsonl,shop,https://a.example,,,\n", "line 2: `url` means nothing there"),
            ("etsy,shop,https://a.example,t,,\n", "line 2: there is no platform `etsy`"),
            ("shopify,shop,https://a.example\n", "cannot be read"),
        ] {
            let told = read(&format!("{header}{lines}")).unwrap_err();
            assert!(told.contains(expected), "`{expected}` is not in `{told}`");
        }
        let told = read("platform,name,token\nshopify,shop,shpat_x\n").unwrap_err();
        assert!(told.contains("a column `token`") && !told.contains("shpat"), "{told}");
    }
}
