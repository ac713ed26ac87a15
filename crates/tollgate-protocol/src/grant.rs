//! The closed vocabularies of a client's registration: grant types, token formats, ways to authenticate.
//!
//! They are exhaustive on purpose: a new word does not compile until every decision knows it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The word is none of those that are known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what}; one of: {allowed}")]
pub struct UnknownWord {
    /// What kind of word was asked for.
    pub what: &'static str,
    /// The known words, separated by commas.
    pub allowed: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every word there is, in the order that they are advertised.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word as the registry spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| UnknownWord {
                    what: $what,
                    allowed: Self::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

vocabulary! {
    /// A grant type (RFC 6749 §1.3).
    GrantType, "grant type" {
        /// The client acts for itself (RFC 6749 §4.4).
        ClientCredentials = "client_credentials",
    }
}

vocabulary! {
    /// What an access token looks like.
    TokenFormat, "token format" {
        /// A signed JWT (RFC 9068): checked without asking the server.
        Jwt = "jwt",
        /// A random string: means nothing without the server, dies at once when revoked.
        Opaque = "opaque",
    }
}

vocabulary! {
    /// How a client proves who it is at the token endpoint.
    AuthMethod, "client authentication method" {
        /// Secret in the `Authorization: Basic` header (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// Secret in the form body (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
        /// A JWT signed with the client's own key (RFC 7523).
        PrivateKeyJwt = "private_key_jwt",
    }
}
