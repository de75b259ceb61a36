//! The small binary words of the format: unsigned LEB128 numbers and counted bytes.

/// Reads a byte slice from the front. Every method answers `None` where the bytes do not suffice or make no
/// sense; the caller names the object that is damaged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// An unsigned LEB128 number of at most 64 bits, in its shortest form.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array::<1>()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return (shift == 0 || bits != 0).then_some(value);
            }
        }
        None
    }

    /// A number that counts things in memory.
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Appends an unsigned LEB128 number.
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a count. Counts in memory always fit 64 bits.
pub(crate) fn put_count(out: &mut Vec<u8>, value: usize) {
    put_number(out, u64::try_from(value).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, value);
            let mut bytes = Bytes(&out);
            assert_eq!(bytes.number(), Some(value));
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn a_number_has_one_spelling_and_an_end() {
        assert_eq!(Bytes(&[0x80, 0x00]).number(), None, "longer than need be");
        assert_eq!(Bytes(&[0x80]).number(), None, "cut short");
        assert_eq!(Bytes(&[0xff; 10]).number(), None, "more than 64 bits");
        assert_eq!(Bytes(&[0x7f]).number(), Some(127));
    }
}
