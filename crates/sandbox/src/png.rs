//! Small valid PNG images, made from a number: the same number gives the same bytes.

/// Side of the image in pixels.
pub(crate) const SIDE: u8 = 16;

/// A square of two colours (PNG, second edition; the pixels stand in a stored deflate block, RFC 1951 and 1950).
pub(crate) fn square(number: u64) -> Vec<u8> {
    let [r, g, b, r2, g2, b2, mask, shift] = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    let mut pixels = Vec::new();
    for y in 0..SIDE {
        pixels.push(0);
        for x in 0..SIDE {
            let second = (x ^ y ^ shift) & mask & 7 != 0;
            pixels.extend(if second { [r2, g2, b2] } else { [r, g, b] });
        }
    }
    let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = u32::from(SIDE).to_be_bytes();
    let header: Vec<u8> = side.iter().chain(&side).copied().chain([8, 2, 0, 0, 0]).collect();
    chunk(&mut image, b"IHDR", &header);
    let len = u16::try_from(pixels.len()).unwrap_or(u16::MAX);
    let mut data = vec![0x78, 0x01, 0x01];
    data.extend_from_slice(&len.to_le_bytes());
    data.extend_from_slice(&(!len).to_le_bytes());
    data.extend_from_slice(&pixels);
    data.extend_from_slice(&adler32(&pixels).to_be_bytes());
    chunk(&mut image, b"IDAT", &data);
    // The number itself, so that no two images are alike.
    chunk(&mut image, b"tEXt", &[b"Comment\0".as_slice(), number.to_string().as_bytes()].concat());
    chunk(&mut image, b"IEND", &[]);
    image
}

fn chunk(image: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    image.extend_from_slice(&u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let start = image.len();
    image.extend_from_slice(name);
    image.extend_from_slice(data);
    let crc = crc32(image.get(start..).unwrap_or_default());
    image.extend_from_slice(&crc.to_be_bytes());
}

/// The checksum of PNG and of ZIP.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_known_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(square(7), square(7));
        assert_ne!(square(7), square(8));
    }
}
