//! The bucket itself.

use bytes::Bytes;
use s3::BucketConfiguration;
use s3::command::Command;
use s3::region::Region;

use crate::{Error, Operation, Store};

impl Store {
    /// Checks that the bucket answers: lists one key. Cheap enough for a health check each few
    /// seconds. Needs the permission to list.
    ///
    /// # Errors
    /// [`Error::NoBucket`], and what all operations can fail with, see [`put`](Self::put).
    pub async fn probe(&self) -> Result<(), Error> {
        self.first_page(Operation::Probe).await
    }

    /// Creates the bucket if it is missing. It is no error if it exists, nor if another client
    /// creates it at the same moment.
    ///
    /// # Errors
    /// [`Error::Denied`] if the credentials may neither list nor create it, and what all operations
    /// can fail with, see [`put`](Self::put).
    pub async fn ensure_bucket(&self) -> Result<(), Error> {
        match self.probe().await {
            Err(Error::NoBucket { .. }) => {}
            result => return result,
        }
        // No location constraint at first: every store takes that for its own region, while RGW
        // and MinIO refuse names they do not know. AWS outside us-east-1 asks for one.
        let mut created = self.create(None).await;
        if created.as_ref().err().and_then(Error::code) == Some("IllegalLocationConstraintException") {
            created = self.create(Some(self.config().region.as_str())).await;
        }
        match created {
            Ok(()) => Ok(()),
            // Whose it is shows when it is used.
            Err(error) if matches!(error.code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) => {
                self.probe().await
            }
            Err(error) => Err(error),
        }
    }

    async fn create(&self, location: Option<&str>) -> Result<(), Error> {
        // Despite its name this is a configuration with nothing in it, no access list either.
        let mut config = BucketConfiguration::public();
        if let Some(name) = location {
            config.set_location_constraint(Region::Custom {
                region: name.to_owned(),
                endpoint: self.config().endpoint.clone(),
            });
        }
        let body = Bytes::from(config.location_constraint_payload().unwrap_or_default());
        let target = self.target(Operation::CreateBucket, None);
        self.run(&target, async |attempt| {
            let command = Command::CreateBucket { config: config.clone() };
            self.transport().send(&attempt.signer, &target, "", command, body.clone()).await.map(drop)
        })
        .await
    }
}
