//! A part of a bucket, for whoever is let in there alone.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// A bucket's server says of an object that is not there that it *is* not only to who may list all of the bucket; else the
/// request is forbidden (S3's `HeadObject`). Who may list a part can look there.
#[derive(Debug)]
pub(crate) struct Part(pub(crate) Arc<dyn ObjectStore>);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a part of {}", self.0)
    }
}

impl Part {
    /// What an error means: that the object is not there, where no list shows it.
    async fn told(&self, location: &Path, error: Error) -> Error {
        if !matches!(error, Error::PermissionDenied { .. }) {
            return error;
        }
        let name = location.as_ref();
        let Some((folder, _)) = name.rsplit_once('/') else { return error };
        // A list begins after its offset: this one comes just before the object.
        let before: Path = name.char_indices().next_back().map_or("", |(at, _)| &name[..at]).into();
        let mut listed = self.0.list_with_offset(Some(&folder.into()), &before);
        while let Some(next) = listed.next().await {
            match next {
                Ok(meta) if meta.location == *location => return error,
                Ok(meta) if meta.location > *location => break,
                Ok(_) => {}
                Err(_) => return error,
            }
        }
        Error::NotFound { path: name.to_owned(), source: Box::new(error) }
    }
}

#[async_trait]
impl ObjectStore for Part {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.0.get_opts(location, options).await {
            Err(error) => Err(self.told(location, error).await),
            found => found,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.0.get_ranges(location, ranges).await {
            Err(error) => Err(self.told(location, error).await),
            found => found,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}
