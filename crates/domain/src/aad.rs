//! The associated data that binds every sealed byte to its place.
//!
//! Fields are written one after the other, each as its length (32 bits, big endian) and its bytes, so that no
//! two field lists share an encoding. The first field names the layout. Golden vectors below pin it.

use crate::names::{ConnectionId, Scope, TenantId};

/// Layout of sealed blocks, version 1.
pub const BLOCK_LAYOUT: &str = "caretaker-block-1";
/// Layout of wrapped keys and credentials, version 1.
pub const KEY_LAYOUT: &str = "caretaker-key-1";

fn encode(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        // A field is a name of at most some kilobytes; 32 bits always hold its length.
        out.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}

/// The part of a block's associated data that all blocks of one object share.
#[derive(Debug, Clone)]
pub struct ObjectAad(Vec<u8>);

impl ObjectAad {
    /// `object` is the object's path below the connection's prefix, for example `pack/0a1b…`.
    #[must_use]
    pub fn new(tenant: &TenantId, connection: &ConnectionId, object: &str) -> Self {
        Self(encode(&[
            BLOCK_LAYOUT.as_bytes(),
            tenant.as_str().as_bytes(),
            connection.as_str().as_bytes(),
            object.as_bytes(),
        ]))
    }

    /// The whole associated data of one block; `record` is 0 where a block is sealed whole.
    #[must_use]
    pub fn block(&self, block: u64, record: u64) -> Vec<u8> {
        let mut out = self.0.clone();
        out.extend_from_slice(&encode(&[&block.to_be_bytes(), &record.to_be_bytes()]));
        out
    }
}

/// The associated data of a wrapped key or a sealed credential.
///
/// `row` is the id of the thing it belongs to (a data key's id, a connection's name), `version` that of the
/// key that wraps it.
#[must_use]
pub fn key(scope: &Scope, purpose: &str, row: &str, version: u64) -> Vec<u8> {
    encode(&[
        KEY_LAYOUT.as_bytes(),
        scope.tenant.as_str().as_bytes(),
        scope.region.as_str().as_bytes(),
        scope.platform.as_str().as_bytes(),
        scope.connection.as_str().as_bytes(),
        purpose.as_bytes(),
        row.as_bytes(),
        &version.to_be_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Platform, Region};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn scope() -> Scope {
        Scope {
            tenant: TenantId::new("t").unwrap(),
            region: Region::new("eu").unwrap(),
            platform: Platform::new("jsonl").unwrap(),
            connection: ConnectionId::new("c").unwrap(),
        }
    }

    #[test]
    fn block_vector() {
        let aad = ObjectAad::new(&scope().tenant, &scope().connection, "pack/0");
        let expected = [
            "000000116361726574616b65722d626c6f636b2d31", // 17, caretaker-block-1
            "0000000174",                                 // 1, t
            "0000000163",                                 // 1, c
            "000000067061636b2f30",                       // 6, pack/0
            "000000080000000000000002",                   // block 2
            "000000080000000000000003",                   // record 3
        ];
        assert_eq!(hex(&aad.block(2, 3)), expected.concat());
    }

    #[test]
    fn key_vector() {
        let expected = [
            "0000000f6361726574616b65722d6b65792d31",      // 15, caretaker-key-1
            "0000000174",                                  // t
            "000000026575",                                // eu
            "000000056a736f6e6c",                          // jsonl
            "0000000163",                                  // c
            "00000004646174 61".replace(' ', "").as_str(), // data
            "0000000172",                                  // r
            "000000080000000000000007",                    // version 7
        ]
        .concat();
        assert_eq!(hex(&key(&scope(), "data", "r", 7)), expected);
    }

    #[test]
    fn no_two_places_share_their_bytes() {
        let a = ObjectAad::new(&TenantId::new("ab").unwrap(), &ConnectionId::new("c").unwrap(), "x");
        let b = ObjectAad::new(&TenantId::new("a").unwrap(), &ConnectionId::new("bc").unwrap(), "x");
        assert_ne!(a.block(0, 0), b.block(0, 0));
        assert_ne!(a.block(0, 1), a.block(1, 0));
    }
}
