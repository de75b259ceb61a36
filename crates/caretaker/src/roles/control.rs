//! What a process tells those that it has started: messages over a pair of sockets, each with a descriptor where it takes
//! one. Nobody else has an end of it, so whoever is told of a descriptor knows whose it is.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use rustix::process::Uid;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer, in bytes.
const MESSAGE_LEN_MAX: usize = 16 * 1024;

/// One end.
#[derive(Debug)]
pub(crate) struct Control(OwnedFd);

fn malformed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Control {
    /// Two ends. One is for a process that is to be started.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (own, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(own), other))
    }

    /// The end that this process was started with, as its standard input. `None` where that is something else.
    pub(crate) fn given() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if sockopt::socket_type(&stdin).ok() != Some(SocketType::SEQPACKET) {
            return Ok(None);
        }
        Ok(Some(Self(stdin.as_fd().try_clone_to_owned()?)))
    }

    /// Ends it, for both ends: whoever waits at one of them hears that nothing more comes.
    pub(crate) fn end(&self) {
        // Ended already is ended.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }

    /// An end that came by another way.
    pub(crate) fn over(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Which user has the other end.
    pub(crate) fn peer(&self) -> io::Result<Uid> {
        Ok(sockopt::socket_peercred(&self.0)?.uid)
    }

    /// From here on nobody waits longer than that for a message: an error says that nothing came, which is of the kind of what
    /// would block.
    pub(crate) fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        Ok(sockopt::set_socket_timeout(&self.0, sockopt::Timeout::Recv, Some(time))?)
    }

    /// Sends a message, and a descriptor with it.
    pub(crate) fn send(
        &self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        self.send_as(message, descriptor, SendFlags::NOSIGNAL)
    }

    /// Sends a message, unless so many wait at the other end that there is no room for it.
    pub(crate) fn send_if_room(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_as(message, None, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn send_as(
        &self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
        flags: SendFlags,
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.as_slice();
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(malformed("there is no room for a descriptor"));
        }
        let sent = sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, flags)?;
        if sent == bytes.len() { Ok(()) } else { Err(malformed("a message was cut")) }
    }

    /// Waits for a message. `None` once the other end is gone.
    pub(crate) fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Option<OwnedFd>)>> {
        let mut bytes = vec![0; MESSAGE_LEN_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let parts = &mut [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.0, parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                received => break received?,
            }
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(malformed("a message is too long"));
        }
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let message = bytes.get(..received.bytes).unwrap_or_default();
        Ok(Some((serde_json::from_slice(message)?, descriptor)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn messages_arrive_whole_in_their_order_with_their_descriptors() {
        let (own, other) = Control::pair().unwrap();
        let other = Control(other);
        let (read, write) = rustix::pipe::pipe().unwrap();
        own.send(&"first", None).unwrap();
        own.send(&"second", Some(read.as_fd())).unwrap();
        drop((own, read));
        File::from(write).write_all(b"text").unwrap();

        let (message, descriptor) = other.receive::<String>().unwrap().unwrap();
        assert_eq!((message.as_str(), descriptor.is_none()), ("first", true));
        let (message, descriptor) = other.receive::<String>().unwrap().unwrap();
        let mut text = String::new();
        File::from(descriptor.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!((message.as_str(), text.as_str()), ("second", "text"));
        assert!(other.receive::<String>().unwrap().is_none(), "the other end is gone");
    }

    #[test]
    fn a_message_that_is_too_long_or_makes_no_sense_is_refused() {
        let (own, other) = Control::pair().unwrap();
        let other = Control(other);
        own.send(&"a".repeat(MESSAGE_LEN_MAX), None).unwrap();
        assert_eq!(other.receive::<String>().unwrap_err().kind(), io::ErrorKind::InvalidData);
        own.send(&5, None).unwrap();
        assert!(other.receive::<String>().is_err());
        own.send(&"a".repeat(MESSAGE_LEN_MAX - 2), None).unwrap();
        assert!(other.receive::<String>().unwrap().is_some());
    }
}
