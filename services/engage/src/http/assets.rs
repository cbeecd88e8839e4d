//! The page: files that are part of the program, or those of a folder while somebody works on them.
//!
//! The page names its files below `assets/{hash}/`, where the hash is that of all of them: a browser keeps them for
//! good, and a new version of the program is a new address. The files name each other relatively.

use std::borrow::Cow;
use std::path::{Component, Path};
use std::sync::LazyLock;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, ETAG, EntityTag};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::devices::is_known;
use super::{App, Problem};

#[derive(RustEmbed)]
#[folder = "assets/"]
#[allow_missing = true]
struct Embedded;

/// The page itself.
const INDEX: &str = "index.html";

/// Where the files of one version are.
const VERSIONED: &str = "assets/";

/// What the page names without a version.
const NAMED: [&str; 3] = ["=\"css/", "=\"js/", "=\"icon.svg"];

/// Of files whose address changes with their content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Of everything else: asked for again each time.
const ASK_AGAIN: &str = "no-cache";

/// The hash of all embedded files.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut all = Sha256::new();
    for name in Embedded::iter() {
        all.update(name.as_bytes());
        all.update([0]);
        all.update(Embedded::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
    }
    hex(&all.finalize())
});

/// A file of the page.
pub async fn get(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let wanted = Wanted::of(request.path());
    let file = match app.settings.assets_dir.clone() {
        Some(folder) => {
            let name = wanted.name.to_owned();
            let read = web::block(move || on_disk(&folder, &name)).await;
            read.unwrap_or_else(|stopped| Err(Problem::unavailable("assets", stopped.to_string())))?
        }
        None => embedded(wanted.name).ok_or_else(nothing)?,
    };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Problem::not_allowed(request.method(), "GET, HEAD"));
    }
    // a file of another version than the page that asks is better than none, but not to be kept
    let kept = app.settings.assets_dir.is_none() && wanted.version == Some(VERSION.as_str());
    Ok(respond(&request, wanted.name, file, if kept { IMMUTABLE } else { ASK_AGAIN }))
}

/// A file by its name, and the version that was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    version: Option<&'a str>,
    name: &'a str,
}

impl<'a> Wanted<'a> {
    fn of(path: &'a str) -> Self {
        let path = path.trim_start_matches('/');
        match path.strip_prefix(VERSIONED).and_then(|rest| rest.split_once('/')) {
            Some((version, name)) => Self { version: Some(version), name },
            None => Self { version: None, name: if path.is_empty() { INDEX } else { path } },
        }
    }
}

fn nothing() -> Problem {
    Problem::not_found("not-found", "there is nothing at this path")
}

fn embedded(name: &str) -> Option<Cow<'static, [u8]>> {
    static PAGE: LazyLock<Option<String>> = LazyLock::new(|| {
        let page = Embedded::get(INDEX)?;
        Some(with_versions(&String::from_utf8_lossy(&page.data), &VERSION))
    });
    if name == INDEX {
        return PAGE.as_deref().map(|page| Cow::Borrowed(page.as_bytes()));
    }
    Embedded::get(name).map(|file| file.data)
}

/// The page with the versioned addresses of its files.
fn with_versions(page: &str, version: &str) -> String {
    NAMED.iter().fold(page.to_owned(), |page, named| {
        let (quote, path) = named.split_at("=\"".len());
        page.replace(named, &format!("{quote}{VERSIONED}{version}/{path}"))
    })
}

/// A file of the folder, as it is now.
fn on_disk(folder: &Path, name: &str) -> Result<Cow<'static, [u8]>, Problem> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let path = folder.join(name);
    if !inside || path.is_dir() {
        return Err(nothing());
    }
    std::fs::read(&path).map(Cow::Owned).map_err(|error| {
        let detail = format!("{} cannot be read ({error}), check [http] assets_dir", path.display());
        Problem::not_found("not-found", detail)
    })
}

fn respond(
    request: &HttpRequest,
    name: &str,
    file: Cow<'static, [u8]>,
    caching: &'static str,
) -> HttpResponse {
    let tag = EntityTag::new_strong(hex(&Sha256::digest(&file)));
    let known = is_known(request, &tag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, caching)).insert_header((ETAG, tag.to_string()));
    if known {
        return response.finish();
    }
    response.content_type(content_type(name)).body(file.into_owned())
}

/// Enough of a hash to tell versions apart.
fn hex(hash: &[u8]) -> String {
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_file_and_perhaps_a_version() {
        assert_eq!(Wanted::of("/"), Wanted { version: None, name: "index.html" });
        assert_eq!(Wanted::of("/js/main.js"), Wanted { version: None, name: "js/main.js" });
        assert_eq!(
            Wanted::of("/assets/12ab/js/main.js"),
            Wanted { version: Some("12ab"), name: "js/main.js" }
        );
        assert_eq!(Wanted::of("/assets/js"), Wanted { version: None, name: "assets/js" });
    }

    #[test]
    fn the_page_names_all_its_files_with_the_version() {
        let page = embedded(INDEX).unwrap();
        let page = String::from_utf8(page.into_owned()).unwrap();
        let named = |before: &str| {
            page.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
        };
        let files: Vec<_> = ["rel=\"stylesheet\" href=\"", "rel=\"icon\" href=\"", "src=\""]
            .into_iter()
            .flat_map(named)
            .collect();
        assert!(files.len() > 5, "{files:?}");
        for file in files {
            let wanted = Wanted::of(file);
            assert_eq!(wanted.version, Some(VERSION.as_str()), "{file}");
            assert!(embedded(wanted.name).is_some(), "{file}");
        }
    }

    #[test]
    fn every_file_has_a_type_that_browsers_accept() {
        for name in Embedded::iter() {
            assert_ne!(content_type(&name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn a_folder_gives_nothing_of_what_is_around_it() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("assets");
        std::fs::create_dir_all(folder.join("js")).unwrap();
        std::fs::write(around.path().join("secret"), "s").unwrap();
        std::fs::write(folder.join("js/main.js"), "1").unwrap();
        assert_eq!(*on_disk(&folder, "js/main.js").unwrap(), *b"1");
        let secret = around.path().join("secret");
        for name in ["../secret", "js/../../secret", secret.to_str().unwrap(), "js", "", "nothing.js"] {
            assert!(on_disk(&folder, name).is_err(), "{name}");
        }
    }
}
