//! The operations of S3, in terms of the backend. HTTP, XML and signatures are the work of `s3s`.

use super::backend::Backend;
use super::conditions::Conditions;
use super::failure::Failure;
use super::list::Query;
use super::object::{Headers, Meta};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::StreamExt;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range as Bounds;
use std::str::FromStr;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// Bodies up to this size, in bytes, are sent from memory, larger ones from the file in such parts.
const PART: u64 = 256 << 10;
/// The most entries on a page of a listing, as S3 has it.
const MAX_PAGE: usize = 1000;
/// The longest key, in bytes, as S3 has it.
const MAX_KEY: usize = 1024;
/// Clients expect every bucket to belong to somebody; some cannot read a list of buckets otherwise.
const OWNER: &str = "sandbox";

/// What `s3s` calls for every request.
#[derive(Debug)]
pub(super) struct Protocol(pub(super) Arc<Backend>);

impl Protocol {
    /// Calls the backend where it may block.
    async fn backend<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Backend) -> Result<T, Failure> + Send + 'static,
    ) -> S3Result<T> {
        let backend = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&backend)).await;
        Ok(done.map_err(|panic| s3_error!(panic, InternalError))??)
    }

    /// Receives a body beside the objects that are there already.
    async fn receive(&self, input: &mut PutObjectInput) -> S3Result<super::upload::Upload> {
        let announced = input.content_length.and_then(|length| u64::try_from(length).ok());
        self.0.check_size(announced.unwrap_or(0))?;
        let mut body = input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
        let mut upload = self.0.upload();
        while let Some(chunk) = body.next().await {
            let broken = |error| S3Error::with_source(S3ErrorCode::IncompleteBody, error);
            upload.push(&chunk.map_err(broken)?);
            self.0.check_size(upload.size())?;
            if upload.is_full() {
                upload = self.backend(|_| Ok(upload.flush().map(|()| upload)?)).await?;
            }
        }
        if announced.is_some_and(|length| length != upload.size()) {
            return Err(s3_error!(IncompleteBody));
        }
        if let Some(expected) = &input.content_md5 {
            let expected = BASE64.decode(expected).ok().and_then(|md5| <[u8; 16]>::try_from(md5).ok());
            if expected.ok_or_else(|| s3_error!(InvalidDigest))? != upload.md5() {
                return Err(s3_error!(BadDigest));
            }
        }
        Ok(upload)
    }
}

#[async_trait::async_trait]
impl S3 for Protocol {
    async fn list_buckets(
        &self,
        _request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let bucket = |(name, created)| Bucket {
            name: Some(name),
            creation_date: Some(Timestamp::from(created)),
            ..Default::default()
        };
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(self.0.buckets().into_iter().map(bucket).collect()),
            owner: Some(Owner { display_name: Some(OWNER.into()), id: Some(OWNER.into()) }),
            ..Default::default()
        }))
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = request.input.bucket;
        let location = Some(format!("/{name}"));
        self.backend(move |backend| backend.create_bucket(&name)).await?;
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.backend(move |backend| backend.delete_bucket(&request.input.bucket)).await?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.with_bucket(&request.input.bucket, |_| ())?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.0.with_bucket(&request.input.bucket, |_| ())?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let from = input.continuation_token.as_deref().map(decode_token).transpose()?;
        let max = input.max_keys.map_or(MAX_PAGE, |max| usize::try_from(max).unwrap_or(0).min(MAX_PAGE));
        let query = Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            start_after: input.start_after.as_deref().unwrap_or_default(),
            from: from.as_deref(),
            max,
        };
        let page = self.0.with_bucket(&input.bucket, |bucket| query.run(bucket))?;
        let prefix = |prefix| CommonPrefix { prefix: Some(prefix) };
        Ok(S3Response::new(ListObjectsV2Output {
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(hex::encode),
            key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
            max_keys: i32::try_from(max).ok(),
            contents: Some(page.objects.iter().map(|meta| entry(meta)).collect()),
            common_prefixes: Some(page.prefixes.into_iter().map(prefix).collect()),
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            ..Default::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = request.input;
        if input.key.is_empty() || input.key.len() > MAX_KEY {
            return Err(s3_error!(KeyTooLongError));
        }
        let conditions = Conditions {
            if_match: input.if_match.take(),
            if_none_match: input.if_none_match.take(),
            ..Default::default()
        };
        // Before the body is received: a large one that is not wanted need not come at all.
        self.0.with_bucket(&input.bucket, |bucket| {
            conditions.check_write(bucket.get(&input.key).map(AsRef::as_ref))
        })??;
        let upload = self.receive(&mut input).await?;
        let headers = Headers {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            user: input.metadata.unwrap_or_default(),
        };
        let (bucket, key) = (input.bucket, input.key);
        let etag =
            self.backend(move |backend| backend.put(&bucket, &key, upload, headers, &conditions)).await?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..Default::default() }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let meta = self.0.head(&input.bucket, &input.key, &conditions)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: i64::try_from(meta.size).ok(),
            last_modified: Some(Timestamp::from(meta.modified())),
            e_tag: Some(ETag::Strong(meta.etag)),
            content_type: parsed(meta.headers.content_type),
            cache_control: parsed(meta.headers.cache_control),
            content_disposition: parsed(meta.headers.content_disposition),
            content_encoding: parsed(meta.headers.content_encoding),
            metadata: Some(meta.headers.user),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let wanted = input.range;
        let (meta, bounds, body) = self
            .backend(move |backend| {
                let (meta, file) = backend.open_object(&input.bucket, &input.key)?;
                conditions.check_read(&meta)?;
                let bounds = match wanted {
                    Some(range) => range.check(meta.size).map_err(|_| Failure::RangeNotSatisfiable)?,
                    None => 0..meta.size,
                };
                let body = read_part(file, &bounds)?;
                Ok((meta, bounds, body))
            })
            .await?;
        let content_range = wanted.map(|_| match bounds.end.checked_sub(1) {
            Some(last) => format!("bytes {}-{last}/{}", bounds.start, meta.size),
            None => format!("bytes */{}", meta.size),
        });
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            content_length: i64::try_from(bounds.end - bounds.start).ok(),
            content_range,
            accept_ranges: Some("bytes".into()),
            last_modified: Some(Timestamp::from(meta.modified())),
            e_tag: Some(ETag::Strong(meta.etag)),
            content_type: parsed(meta.headers.content_type),
            cache_control: parsed(meta.headers.cache_control),
            content_disposition: parsed(meta.headers.content_disposition),
            content_encoding: parsed(meta.headers.content_encoding),
            metadata: Some(meta.headers.user),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.backend(move |backend| backend.remove(&input.bucket, &input.key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = request.input;
        self.0.with_bucket(&bucket, |_| ())?;
        let quiet = delete.quiet == Some(true);
        let output = self
            .backend(move |backend| {
                let mut deleted = Vec::new();
                let mut errors = Vec::new();
                for key in delete.objects.into_iter().map(|object| object.key) {
                    match backend.remove(&bucket, &key) {
                        Ok(()) if quiet => {}
                        Ok(()) => deleted.push(DeletedObject { key: Some(key), ..Default::default() }),
                        Err(failure) => errors.push(refusal(key, failure)),
                    }
                }
                Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() })
            })
            .await?;
        Ok(S3Response::new(output))
    }
}

fn entry(meta: &Meta) -> Object {
    Object {
        key: Some(meta.key.clone()),
        size: i64::try_from(meta.size).ok(),
        e_tag: Some(ETag::Strong(meta.etag.clone())),
        last_modified: Some(Timestamp::from(meta.modified())),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Default::default()
    }
}

fn refusal(key: String, failure: Failure) -> Error {
    let error = S3Error::from(failure);
    Error {
        key: Some(key),
        code: Some(error.code().as_str().into()),
        message: error.message().map(Into::into),
        ..Default::default()
    }
}

/// The place to go on with a listing is a key; in hexadecimal it survives every way of quoting.
fn decode_token(token: &str) -> S3Result<String> {
    let key = hex::decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not one of this store"))
}

fn parsed<T: FromStr>(header: Option<String>) -> Option<T> {
    header.and_then(|header| header.parse().ok())
}

/// The part of a file that is the answer: at once if it is small, else as it is sent. Blocks.
fn read_part(mut file: File, bounds: &Bounds<u64>) -> io::Result<StreamingBlob> {
    let length = bounds.end - bounds.start;
    file.seek(SeekFrom::Start(bounds.start))?;
    if length > PART {
        let part = tokio::fs::File::from_std(file).take(length);
        return Ok(StreamingBlob::wrap(ReaderStream::with_capacity(part, PART as usize)));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(StreamingBlob::from(s3s::Body::from(Bytes::from(bytes))))
}
