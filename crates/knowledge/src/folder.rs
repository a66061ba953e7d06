//! The texts of a site, read from its folder within bounds.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use crate::document::{Document, Format};
use crate::error::Error;
use crate::report::Skipped;
use crate::synonyms::{self, Synonyms};

/// What is read of a folder at most. What is over it is left out, and the report says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes.
    pub file_bytes: u64,
    /// The number of files.
    pub files: usize,
    /// All files together, in bytes: an index is kept in memory, and is about as large.
    pub all_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 1024 * 1024, files: 10_000, all_bytes: 64 * 1024 * 1024 }
    }
}

/// Folders in folders are read down to this depth.
const DEPTH: usize = 16;

/// Texts that are to be indexed.
#[derive(Debug, Default)]
pub struct Texts {
    pub(crate) documents: Vec<(String, Document)>,
    pub(crate) synonyms: Synonyms,
    pub(crate) skipped: Vec<Skipped>,
    bytes: u64,
}

impl Texts {
    /// Reads every Markdown, HTML and text file in `folder` and the folders in it, and its `synonyms.toml`.
    ///
    /// What cannot be read, is no text, is too much or lies outside of the folder (a symbolic link) is left out and named in
    /// the report. Names that begin with a dot are passed over. The order is that of the names.
    ///
    /// # Errors
    /// The folder itself cannot be read, there is no text in it, or `synonyms.toml` is wrong.
    pub fn read(folder: &Path, limits: &Limits) -> Result<Self, Error> {
        let root = folder.canonicalize().map_err(Error::io(folder, "read"))?;
        let mut texts = Self::default();
        for path in texts.walk(&root)? {
            let name = name_of(path.strip_prefix(&root).unwrap_or(&path));
            if let Err(reason) = texts.read_file(&root, &path, &name, limits) {
                texts.skipped.push(Skipped { file: name, reason });
            }
        }
        let path = root.join(synonyms::FILE);
        if path.is_file() {
            let source = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
            texts.synonyms = Synonyms::parse(&source).map_err(|reason| Error::Synonyms { path, reason })?;
        }
        if texts.documents.is_empty() && texts.skipped.is_empty() {
            return Err(Error::Empty(folder.to_owned()));
        }
        Ok(texts)
    }

    /// Adds one file's contents, as if it stood in a folder under `name`; `synonyms.toml` too. For texts inside a program.
    ///
    /// # Errors
    /// Why it cannot be indexed, in words.
    pub fn add(&mut self, name: &str, contents: &[u8]) -> Result<(), String> {
        let source = std::str::from_utf8(contents).map_err(|_| "is not text in UTF-8".to_owned())?;
        if name == synonyms::FILE {
            self.synonyms = Synonyms::parse(source)?;
            return Ok(());
        }
        let path = Path::new(name);
        let format = Format::of(path).ok_or("is neither Markdown (.md) nor HTML (.html, .htm) nor text (.txt)")?;
        if source.contains('\0') {
            return Err("is not text: it has a zero byte".to_owned());
        }
        let document = Document::read(path, format, source);
        if document.sections.is_empty() {
            return Err("has no text".to_owned());
        }
        self.bytes += contents.len() as u64;
        self.documents.push((name.to_owned(), document));
        Ok(())
    }

    fn read_file(&mut self, root: &Path, path: &Path, name: &str, limits: &Limits) -> Result<(), String> {
        if self.documents.len() >= limits.files {
            return Err(format!("is more than {} files", limits.files));
        }
        let target = path.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
        if !target.starts_with(root) {
            return Err("leads out of the folder".to_owned());
        }
        let metadata = fs::metadata(&target).map_err(|error| format!("cannot be read: {error}"))?;
        if metadata.is_dir() {
            return Err("is a link to a folder".to_owned());
        }
        if !metadata.is_file() {
            return Err("is no file".to_owned());
        }
        if metadata.len() > limits.file_bytes {
            return Err(format!("has {} bytes, and {} are read at most", metadata.len(), limits.file_bytes));
        }
        if self.bytes + metadata.len() > limits.all_bytes {
            return Err(format!("is over the {} bytes that are read in all", limits.all_bytes));
        }
        let contents = fs::read(&target).map_err(|error| format!("cannot be read: {error}"))?;
        self.add(name, &contents)
    }

    /// The files under `root`, in the order of their names; folders that cannot be read are noted.
    fn walk(&mut self, root: &Path) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        let mut folders = VecDeque::from([(root.to_owned(), 0)]);
        while let Some((folder, depth)) = folders.pop_front() {
            let entries = match entries(&folder) {
                Ok(entries) => entries,
                Err(source) if depth == 0 => return Err(Error::io(folder, "read")(source)),
                Err(source) => {
                    self.skip(root, &folder, format!("cannot be read: {source}"));
                    continue;
                }
            };
            for path in entries {
                let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
                if is_folder && depth >= DEPTH {
                    self.skip(root, &path, format!("is more than {DEPTH} folders deep"));
                } else if is_folder {
                    folders.push_back((path, depth + 1));
                } else if !(depth == 0 && path.ends_with(synonyms::FILE)) {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }

    fn skip(&mut self, root: &Path, path: &Path, reason: String) {
        self.skipped.push(Skipped { file: name_of(path.strip_prefix(root).unwrap_or(path)), reason });
    }
}

fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    Ok(paths.into_iter().filter(|path| !is_hidden(path)).collect())
}

/// A path with `/` between its parts on every system.
fn name_of(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &[u8])], limits: &Limits) -> Texts {
        let folder = folder(files);
        Texts::read(folder.path(), limits).unwrap()
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        folder
    }

    fn names(texts: &Texts) -> Vec<&str> {
        texts.documents.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn skipped(texts: &Texts) -> Vec<String> {
        texts.skipped.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn texts_are_read_in_the_order_of_their_names() {
        let texts =
            read(&[("b.md", b"b"), ("a/x.txt", b"x"), ("a.html", b"<p>a"), (".git/c.md", b"c")], &Limits::default());
        assert_eq!(names(&texts), ["a/x.txt", "a.html", "b.md"]);
        assert!(texts.skipped.is_empty(), "{:?}", texts.skipped);
    }

    #[test]
    fn what_is_no_text_is_named_and_left_out() {
        let files: &[(&str, &[u8])] = &[
            ("a.md", b"\xff\xfe"),
            ("b.txt", b"a\0b"),
            ("c.pdf", b"%PDF"),
            ("d.md", b"# only a heading"),
            ("e.md", b"e"),
        ];
        let texts = read(files, &Limits::default());
        assert_eq!(names(&texts), ["e.md"]);
        assert_eq!(
            skipped(&texts),
            [
                "a.md is not text in UTF-8",
                "b.txt is not text: it has a zero byte",
                "c.pdf is neither Markdown (.md) nor HTML (.html, .htm) nor text (.txt)",
                "d.md has no text",
            ]
        );
    }

    #[test]
    fn what_is_too_much_is_named_and_left_out() {
        let files: &[(&str, &[u8])] = &[("a.md", b"aaaaaaaa"), ("b.md", b"bb"), ("c.md", b"cc"), ("d.md", b"d")];
        let texts = read(files, &Limits { file_bytes: 4, files: 2, all_bytes: 3 });
        assert_eq!(names(&texts), ["b.md", "d.md"]);
        assert_eq!(
            skipped(&texts),
            ["a.md has 8 bytes, and 4 are read at most", "c.md is over the 3 bytes that are read in all"]
        );
        let texts = read(files, &Limits { files: 1, ..Limits::default() });
        assert_eq!(skipped(&texts)[0], "b.md is more than 1 files");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_of_the_folder_are_refused() {
        let outside = folder(&[("secret.md", b"secret")]);
        let inside = folder(&[("a.md", b"a"), ("sub/b.md", b"b")]);
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, inside.path().join(name)).unwrap();
        link(&outside.path().join("secret.md"), "out.md");
        link(outside.path(), "outside");
        link(&inside.path().join("sub"), "loop");
        link(&inside.path().join("a.md"), "same.md");
        link(Path::new("nowhere"), "dead.md");
        let texts = Texts::read(inside.path(), &Limits::default()).unwrap();
        assert_eq!(names(&texts), ["a.md", "same.md", "sub/b.md"]);
        let skipped = skipped(&texts);
        assert!(skipped[0].starts_with("dead.md cannot be read"), "{skipped:?}");
        assert_eq!(
            skipped[1..],
            ["loop is a link to a folder", "out.md leads out of the folder", "outside leads out of the folder"]
        );
    }

    #[test]
    fn a_folder_without_texts_is_refused_by_name() {
        let empty = tempfile::tempdir().unwrap();
        let error = Texts::read(empty.path(), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains(&empty.path().display().to_string()), "{error}");
        let error = Texts::read(&empty.path().join("nowhere"), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
