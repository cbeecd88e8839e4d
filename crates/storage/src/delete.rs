//! Deleting one object or many.

use bytes::Bytes;
use s3::command::Command;
use s3::serde_types::{DeleteObjectsRequest, ObjectIdentifier};
use serde::Deserialize;

use crate::retry::Failure;
use crate::{Answer, Error, Key, Operation, Store, Target};

/// What S3 deletes in one request at most.
pub(crate) const MAX_KEYS: usize = 1000;
/// 1,000 refusals with keys of 1,024 bytes, each character escaped.
const MAX_RESULT_BYTES: u64 = 16 << 20;

/// Deleted and refused keys may come in any order, and without the former if asked to be quiet.
#[derive(Deserialize)]
struct DeleteResult {
    #[serde(rename = "$value", default)]
    results: Vec<KeyResult>,
}

#[derive(Deserialize)]
enum KeyResult {
    Error(Refusal),
    #[serde(other)]
    Deleted,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    key: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Store {
    /// Deletes one object. It is no error if there is none.
    ///
    /// # Errors
    /// What all operations can fail with, see [`put`](Self::put).
    pub async fn delete(&self, key: &Key) -> Result<(), Error> {
        let target = self.target(Operation::Delete, Some(key.as_str()));
        let deleted = self.run(&target, async |attempt| {
            let sent = self.transport().send(
                &attempt.signer,
                &target,
                key.as_str(),
                Command::DeleteObject,
                Bytes::new(),
            );
            sent.await.map(drop)
        });
        match deleted.await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    /// Deletes objects, 1,000 per request, and returns how many keys were given. It is no error if
    /// some do not exist.
    ///
    /// # Errors
    /// [`Error::Undeleted`] names the keys of the failing request that are still there; what all
    /// operations can fail with, see [`put`](Self::put). Keys of later requests are not tried.
    pub async fn delete_many(&self, keys: &[Key]) -> Result<usize, Error> {
        let target = self.target(Operation::DeleteMany, None);
        for keys in keys.chunks(MAX_KEYS) {
            self.run(&target, async |attempt| {
                let data = DeleteObjectsRequest {
                    objects: keys.iter().map(|key| ObjectIdentifier::new(key.as_str())).collect(),
                    quiet: true,
                };
                let body = Bytes::from(data.to_string());
                let transport = self.transport();
                let response = transport
                    .send(&attempt.signer, &target, "/", Command::DeleteObjects { data }, body)
                    .await?;
                let result = transport.read(&target, response, MAX_RESULT_BYTES).await?;
                check(&target, keys.len(), &result)
            })
            .await?;
        }
        Ok(keys.len())
    }
}

/// The result of one request, which is a success for HTTP even if every key was refused.
fn check(target: &Target, asked: usize, document: &[u8]) -> Result<(), Failure> {
    let bad = |reason: String| Error::Protocol { target: Box::new(target.clone()), reason };
    let text = std::str::from_utf8(document).map_err(|error| bad(error.to_string()))?;
    // The deserializer does not look at the name of the root, and every field is optional.
    if !text.contains("DeleteResult") {
        return Err(bad("not a deletion's result".into()).into());
    }
    let result: DeleteResult =
        quick_xml::de::from_str(text).map_err(|error| bad(format!("a deletion's result: {error}")))?;
    let mut failed = Vec::new();
    for result in result.results {
        if let KeyResult::Error(refusal) = result
            && refusal.code != "NoSuchKey"
        {
            let key = Key::new(&refusal.key).map_err(|error| bad(error.to_string()))?;
            let answer =
                Answer { status: 200, code: refusal.code, message: refusal.message, request_id: None };
            failed.push((key, answer));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::Undeleted { target: Box::new(target.clone()), asked, failed }.into())
}
