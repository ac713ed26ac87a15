//! Resource indicators (RFC 8707) and the small sets of them that stand in `aud`.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A resource indicator: an absolute URI without a fragment, 3 to 512 bytes (RFC 8707 §2).
///
/// Two of them are the same when their bytes are: RFC 8707 compares no further, and neither do
/// the resource servers that look for theirs in `aud`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Resource(Arc<str>);

/// The text is no resource indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a resource is an absolute URI without a fragment, at most 512 bytes")]
pub struct InvalidResource;

impl Resource {
    /// The longest resource, in bytes.
    pub const BYTES_MAX: usize = 512;

    /// The resource as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &str) -> bool {
        let Some((scheme, rest)) = text.split_once(':') else {
            return false;
        };
        let scheme_is_valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
        text.len() <= Self::BYTES_MAX
            && scheme_is_valid
            && !rest.trim_start_matches('/').is_empty()
            && rest.bytes().all(allowed)
    }
}

impl FromStr for Resource {
    type Err = InvalidResource;

    fn from_str(text: &str) -> Result<Self, InvalidResource> {
        if Self::is_valid(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidResource)
        }
    }
}

impl TryFrom<String> for Resource {
    type Error = InvalidResource;

    fn try_from(text: String) -> Result<Self, InvalidResource> {
        text.parse()
    }
}

impl Serialize for Resource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, formatter)
    }
}

/// A set of at most [`Resources::MAX`] resources, cheap to clone and shared by the tokens that
/// name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Resource>", into = "Vec<Resource>")]
pub struct Resources(Arc<[Resource]>);

/// More resources than [`Resources::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {} resources", Resources::MAX)]
pub struct TooManyResources;

impl Resources {
    /// The most resources in one set.
    pub const MAX: usize = 32;

    /// The set of `resources`, repetitions dropped, in the order first given.
    ///
    /// # Errors
    ///
    /// When there are more than [`Resources::MAX`].
    pub fn new(resources: impl IntoIterator<Item = Resource>) -> Result<Self, TooManyResources> {
        let mut unique: Vec<Resource> = Vec::new();
        for resource in resources {
            if unique.contains(&resource) {
                continue;
            }
            if unique.len() == Self::MAX {
                return Err(TooManyResources);
            }
            unique.push(resource);
        }
        Ok(Self(unique.into()))
    }

    /// The set of one resource.
    #[must_use]
    pub fn one(resource: Resource) -> Self {
        Self(Arc::new([resource]))
    }

    /// Whether any resource is in both sets.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.iter().any(|resource| other.contains(resource))
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl std::ops::Deref for Resources {
    type Target = [Resource];

    fn deref(&self) -> &[Resource] {
        &self.0
    }
}

impl TryFrom<Vec<Resource>> for Resources {
    type Error = TooManyResources;

    fn try_from(resources: Vec<Resource>) -> Result<Self, TooManyResources> {
        Self::new(resources)
    }
}

impl From<Resources> for Vec<Resource> {
    fn from(resources: Resources) -> Self {
        resources.to_vec()
    }
}
