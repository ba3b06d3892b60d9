//! The port `keys` on a file that only its user may read.

use crate::envelope;
use crate::keyring::Keyring;
use crate::signing::SigningKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tow_ports::{Keys, PortError};
use tow_record::{Sealed, Signature};
use zeroize::Zeroizing;

const NAME: &str = "keys";
const HMAC_SHA256: usize = 32;
const HMAC_BLOCK: usize = 64;

/// Seals and opens with the keys of one file.
pub struct KeyFile {
    path: PathBuf,
    ring: Keyring,
}

/// The key file can't be used. It was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Others than its user may read it.
    #[error("{} may be read by others (mode {mode:03o})", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("{} belongs to user {owner}, not to this one", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// The number of the user it belongs to.
        owner: u32,
    },
    /// It is not what was written.
    #[error("{} is damaged at line {line}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1; 0: something is missing.
        line: usize,
    },
    /// The disk is full.
    #[error("the disk is full: {} can't be written", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The system says no.
    #[error("{} can't be used: {why}", path.display())]
    File {
        /// The file or its folder.
        path: PathBuf,
        /// The system's word.
        why: String,
    },
}

impl KeyError {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Readable { .. } => "keys/readable-by-others",
            Self::Owner { .. } => "keys/owner",
            Self::Damaged { .. } => "keys/damaged",
            Self::Full { .. } => "keys/disk-full",
            Self::File { .. } => "keys/file",
        }
    }

    /// A way on.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Readable { .. } => {
                "chmod 600 it; if others did read it, change the values it protects"
            }
            Self::Owner { .. } => "run as the user it belongs to",
            Self::Damaged { .. } => {
                "put the copy of the key file back; a fresh one can't open what was sealed before"
            }
            Self::Full { .. } => "free some space and try again",
            Self::File { .. } => "look at the owner and the permissions of the data directory",
        }
    }

    fn io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::File { path, why: error.to_string() },
        }
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).field("ids", &self.ids()).finish()
    }
}

impl KeyFile {
    /// Reads `dir/keys`, or makes it (mode 0600, in a folder of mode 0700) with fresh keys.
    pub fn open_or_create(dir: &Path) -> Result<Self, KeyError> {
        let locked = Locked::dir(dir)?;
        match locked.read()? {
            Some(mut ring) => {
                // A file from before there was signing.
                if ring.signing.is_empty() {
                    let key = SigningKey::fresh().map_err(|error| locked.random(&error))?;
                    ring.signing.push(key);
                    locked.write(&ring)?;
                }
                Ok(Self { path: locked.path, ring })
            }
            None => {
                let ring = Keyring::fresh().map_err(|error| locked.random(&error))?;
                locked.write(&ring)?;
                Ok(Self { path: locked.path, ring })
            }
        }
    }

    /// Adds a key that seals from here on. What older keys sealed still opens. Processes that have the file open seal
    /// with the key before until they open it again.
    pub fn add_key(dir: &Path) -> Result<Self, KeyError> {
        let locked = Locked::dir(dir)?;
        let ring = match locked.read()? {
            Some(mut ring) => {
                ring.add().map_err(|error| locked.random(&error))?;
                ring
            }
            None => Keyring::fresh().map_err(|error| locked.random(&error))?,
        };
        locked.write(&ring)?;
        Ok(Self { path: locked.path, ring })
    }

    fn signing(&self, id: &str) -> Option<&SigningKey> {
        self.ring.signing.iter().find(|key| key.id() == id)
    }

    /// Reads `dir/keys`; none where there is no such file. Makes nothing, and waits for nobody: the file is only ever
    /// replaced as a whole.
    pub fn open(dir: &Path) -> Result<Option<Self>, KeyError> {
        let path = dir.join(NAME);
        Ok(read(&path)?.map(|ring| Self { path, ring }))
    }

    /// The keys as text, for a backup that seals them. None: there are no keys.
    pub fn export(dir: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
        if !dir.is_dir() {
            return Ok(None);
        }
        Ok(Locked::dir(dir)?.read()?.map(|ring| ring.to_text()))
    }

    /// Writes what [`Self::export`] gave into a folder that has no keys yet.
    pub fn import(dir: &Path, text: &str) -> Result<(), KeyError> {
        let locked = Locked::dir(dir)?;
        if locked.path.exists() {
            return Err(KeyError::File { path: locked.path, why: "it is there already".into() });
        }
        let damaged = |line| KeyError::Damaged { path: locked.path.clone(), line };
        locked.write(&Keyring::parse(text).map_err(damaged)?)
    }

    /// The ids of its keys, the oldest first; the last one seals.
    pub fn ids(&self) -> Vec<&str> {
        self.ring.keys.iter().map(|(id, _)| id.as_str()).collect()
    }

    /// The ids of the keys it signs with, the oldest first; the last one signs.
    pub fn signing_ids(&self) -> Vec<&str> {
        self.ring.signing.iter().map(SigningKey::id).collect()
    }
}

/// The folder, held so that no two processes make or change the keys at once.
struct Locked {
    dir: File,
    dir_path: PathBuf,
    path: PathBuf,
}

impl Locked {
    fn dir(dir_path: &Path) -> Result<Self, KeyError> {
        let io = |error: std::io::Error| KeyError::io(dir_path, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir_path).map_err(io)?;
        let dir = File::open(dir_path).map_err(io)?;
        rustix::fs::flock(&dir, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|errno| io(errno.into()))?;
        Ok(Self { dir, dir_path: dir_path.to_path_buf(), path: dir_path.join(NAME) })
    }

    fn random(&self, error: &PortError) -> KeyError {
        KeyError::File { path: self.path.clone(), why: error.to_string() }
    }

    fn read(&self) -> Result<Option<Keyring>, KeyError> {
        read(&self.path)
    }

    /// The whole file in one step: at any moment there is the old one or the new one.
    fn write(&self, ring: &Keyring) -> Result<(), KeyError> {
        let io = |error: std::io::Error| KeyError::io(&self.path, &error);
        let tmp = self.dir_path.join("keys.tmp");
        // Left by somebody who died here; nobody else is here now.
        match std::fs::remove_file(&tmp) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&tmp).map_err(io)?;
        let written = file
            .write_all(ring.to_text().as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&tmp, &self.path));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&tmp);
            return Err(io(error));
        }
        self.dir.sync_all().map_err(io)
    }
}

/// The keys of a file; none where it is not there.
fn read(path: &Path) -> Result<Option<Keyring>, KeyError> {
    let io = |error: std::io::Error| KeyError::io(path, &error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    // Of the file that was opened, not of what stands at its path by now.
    let data = file.metadata().map_err(io)?;
    let (path, mode) = (path.to_path_buf(), data.mode() & 0o777);
    if mode & 0o077 != 0 {
        return Err(KeyError::Readable { path, mode });
    }
    if data.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyError::Owner { path, owner: data.uid() });
    }
    let mut text = Zeroizing::new(String::with_capacity(data.len() as usize + 1));
    file.read_to_string(&mut text).map_err(io)?;
    Keyring::parse(&text).map(Some).map_err(|line| KeyError::Damaged { path, line })
}

impl Keys for KeyFile {
    fn seal(&self, context: &str, plain: &[u8]) -> Result<Sealed, PortError> {
        let (id, key) = self.ring.keys.last().ok_or_else(|| PortError::Refused("no key".into()))?;
        let sealed = STANDARD.encode(envelope::seal(id, key, context, plain)?);
        Ok(Sealed { key: id.clone(), sealed, digest: self.digest(plain) })
    }

    fn open(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, PortError> {
        let Some((id, key)) = self.ring.keys.iter().find(|(id, _)| *id == sealed.key) else {
            return Err(PortError::Refused(format!(
                "{context} was sealed with {}, which is not in {}; put the copy of the key file back",
                sealed.key,
                self.path.display()
            )));
        };
        STANDARD
            .decode(&sealed.sealed)
            .ok()
            .and_then(|bytes| envelope::open(id, key, context, &bytes))
            .ok_or_else(|| {
                PortError::Refused(format!(
                    "{context} does not open: it is not what was sealed here"
                ))
            })
    }

    fn digest(&self, plain: &[u8]) -> String {
        // HMAC fills a short key up to its block with zeros; done here, it can't fail for its length.
        let mut block = Zeroizing::new([0; HMAC_BLOCK]);
        block[..self.ring.digest.len()].copy_from_slice(&*self.ring.digest);
        let mut mac = Hmac::<sha2::Sha256>::new((&*block).into());
        mac.update(plain);
        let mut text = String::with_capacity(2 * HMAC_SHA256);
        for byte in mac.finalize().into_bytes() {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, PortError> {
        let key = self.ring.signing.last();
        let key = key.ok_or_else(|| PortError::Refused("no signing key".into()))?;
        Ok(Signature { key: key.id().into(), signature: STANDARD.encode(key.sign(message)) })
    }

    fn verify(&self, message: &[u8], signature: &Signature) -> Result<bool, PortError> {
        let Some(key) = self.signing(&signature.key) else {
            return Err(PortError::NotThere(format!(
                "the signing key {} in {}",
                signature.key,
                self.path.display()
            )));
        };
        let bytes = STANDARD.decode(&signature.signature).unwrap_or_default();
        Ok(key.verify(message, &bytes))
    }

    fn public(&self, key: &str) -> Option<String> {
        self.signing(key).map(|key| STANDARD.encode(key.public()))
    }
}
