//! A store on a Redis server (or Valkey, or what else speaks its protocol): for each device one hash, whose fields
//! are the entries.
//!
//! One hash, so that reading a device's entries looks at nothing else on the server, however much is there. The
//! lengths of values are asked for before the values. Changes are compared and set by a script of a few lines, which
//! runs on the server as one step for each batch: a value that changed since it was read is left alone, read again
//! and merged again. The hash expires when nobody has written to it for [`KEPT`].

mod wire;

use std::io::ErrorKind;
use std::time::Duration;

use redis::{Cmd, ConnectionInfo, IntoConnectionInfo, Value, cmd};

use self::wire::{Cut, Wire};
use crate::store::{
    Change, Entries, MOST_ENTRIES, MOST_TEXT, MOST_TIME, SCHEMA, Step, Store, StoreError,
    check_device, check_text,
};

/// How long the entries of a device are kept after the last of them was written: by then all have
/// [faded](crate::evidence).
const KEPT: Duration = Duration::from_secs(300 * 24 * 3600);

/// Fields asked for, or changed, in one go.
const BATCH: usize = 512;

/// Times that entries which others change are tried again.
const ROUNDS: usize = 64;

/// KEYS: the hash. ARGV: seconds to keep it, longest value, then for each field its name, the value it was found with
/// (empty: none, or one too long) and the value it gets (empty: none). Answers with the numbers of those that had
/// another value.
const COMPARE_AND_SET: &str = "\
local missed = {}
for i = 3, #ARGV, 3 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held == false or #held > tonumber(ARGV[2]) then held = '' end
  if held ~= ARGV[i + 1] then
    missed[#missed + 1] = (i - 3) / 3
  elseif ARGV[i + 2] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return missed";

/// A store on a Redis server. Connects when it is first asked something, and again after an error.
pub struct RedisStore {
    info: ConnectionInfo,
    wire: Option<Wire>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// The server that a URL names: `redis://`, `valkey://`, `unix://`. Touches no network.
    ///
    /// # Errors
    /// [`StoreError::Url`]; `rediss://` too: there is no TLS in this build.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let info = url.into_connection_info().map_err(|e| {
            // The crate's words do not repeat the URL, but for the protocol asked for.
            StoreError::Url { why: format!("REDIS_URL is none that can be used ({e})") }
        })?;
        Ok(Self { info, wire: None })
    }

    fn hash(device: &str) -> Result<String, StoreError> {
        check_device(device)?;
        Ok(format!("spiral:hints:{SCHEMA}:{device}"))
    }

    /// Begins an operation, on the connection there is or a new one.
    fn begin(&mut self) -> Result<(), StoreError> {
        if let Some(wire) = &mut self.wire {
            wire.begin();
            match wire.ask(&cmd("PING").get_packed_command(), 1) {
                Ok(_) => return Ok(()),
                // The server may have ended a connection that was long idle: that is no failure. One that hangs is.
                Err(cut) => {
                    self.wire = None;
                    if matches!(cut, Cut::Late) {
                        return Err(self.late());
                    }
                }
            }
        }
        let connected = Wire::connect(self.info.addr());
        self.wire = Some(connected.map_err(|source| match source.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => self.late(),
            _ => StoreError::Unreachable { place: self.place(), source },
        })?);
        let settings = self.info.redis_settings();
        let mut first = Vec::new();
        match (settings.username(), settings.password()) {
            (Some(user), Some(password)) => first.push(cmd("AUTH").arg(user).arg(password).take()),
            (None, Some(password)) => first.push(cmd("AUTH").arg(password).take()),
            _ => {}
        }
        if settings.db() != 0 {
            first.push(cmd("SELECT").arg(settings.db()).take());
        }
        self.ask(&first).map(|_| ())
    }

    /// Asks, and gives the answers, none of which is an error. After an error the connection is given up.
    fn ask(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, StoreError> {
        let packed: Vec<u8> = commands.iter().flat_map(Cmd::get_packed_command).collect();
        let Some(wire) = &mut self.wire else { return Ok(Vec::new()) };
        let answers = wire.ask(&packed, commands.len());
        let place = self.place();
        let answers = answers.map_err(|cut| match cut {
            Cut::Late => self.late(),
            Cut::TooManyBytes => StoreError::TooLarge { place },
            Cut::Ended(source) => StoreError::Ended { place, source },
            Cut::Rubbish(why) => StoreError::Protocol { place, why: short(&why) },
        });
        let answers = answers.and_then(|values| {
            let checked: redis::RedisResult<_> =
                values.into_iter().map(Value::extract_error).collect();
            checked.map_err(|e| StoreError::Refused {
                place: self.place(),
                why: short(&e.to_string()),
            })
        });
        if answers.is_err() {
            self.wire = None;
        }
        answers
    }

    /// Asks, and gives the answers as what they must be.
    fn ask_for<T: redis::FromRedisValue>(
        &mut self,
        commands: &[Cmd],
    ) -> Result<Vec<T>, StoreError> {
        let answers = self.ask(commands)?;
        let read = answers.into_iter().map(redis::from_redis_value).collect::<Result<_, _>>();
        read.map_err(|e: redis::ParsingError| {
            // It may have sent more that was not asked for.
            self.wire = None;
            StoreError::Protocol { place: self.place(), why: short(&e.to_string()) }
        })
    }

    fn late(&self) -> StoreError {
        StoreError::Late { place: self.place(), after: MOST_TIME }
    }

    /// The values of fields, less those that are too long.
    fn values(&mut self, hash: &str, fields: &[&str]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut values = vec![None; fields.len()];
        for (places, fields) in values.chunks_mut(BATCH).zip(fields.chunks(BATCH)) {
            let lengths: Vec<Cmd> =
                fields.iter().map(|f| cmd("HSTRLEN").arg(hash).arg(f).take()).collect();
            let lengths: Vec<u64> = self.ask_for(&lengths)?;
            let mut get = cmd("HMGET");
            get.arg(hash);
            let mut asked = Vec::new();
            for ((place, field), length) in places.iter_mut().zip(fields).zip(lengths) {
                if (1..=MOST_TEXT as u64).contains(&length) {
                    get.arg(field);
                    asked.push(place);
                }
            }
            if asked.is_empty() {
                continue;
            }
            let got = self.ask_for::<Vec<Option<Vec<u8>>>>(&[get])?.pop().unwrap_or_default();
            for (place, value) in asked.into_iter().zip(got) {
                // It may have grown since its length was asked for.
                *place = value.filter(|bytes| (1..=MOST_TEXT).contains(&bytes.len()));
            }
        }
        Ok(values)
    }
}

impl Store for RedisStore {
    fn entries(&mut self, device: &str) -> Result<Entries, StoreError> {
        let hash = Self::hash(device)?;
        self.begin()?;
        let entries = self.ask_for::<u64>(&[cmd("HLEN").arg(&hash).take()])?;
        let entries = entries.first().copied().unwrap_or(0);
        if entries > MOST_ENTRIES as u64 {
            let (place, device) = (self.place(), device.to_owned());
            return Err(StoreError::TooMany { place, device, entries });
        }
        if entries == 0 {
            return Ok(Entries::default());
        }
        let fields = self.ask_for::<Vec<Vec<u8>>>(&[cmd("HKEYS").arg(&hash).take()])?;
        let fields = fields.into_iter().next().unwrap_or_default();
        let there = fields.len();
        let mut fields: Vec<String> =
            fields.into_iter().filter_map(text).filter(|field| check_text(field).is_ok()).collect();
        fields.sort_unstable();
        fields.dedup();
        let names: Vec<&str> = fields.iter().map(String::as_str).collect();
        let values = self.values(&hash, &names)?;
        let list: Vec<_> =
            fields.into_iter().zip(values).filter_map(|(f, v)| Some((f, text(v?)?))).collect();
        let left_out = (there - list.len()) as u64;
        Ok(Entries { list, left_out })
    }

    fn update(
        &mut self,
        device: &str,
        keys: &[String],
        change: &mut Change<'_>,
    ) -> Result<(), StoreError> {
        let hash = Self::hash(device)?;
        keys.iter().try_for_each(|key| check_text(key))?;
        if keys.is_empty() {
            return Ok(());
        }
        self.begin()?;
        for batch in keys.chunks(BATCH) {
            let mut waiting: Vec<&str> = batch.iter().map(String::as_str).collect();
            for round in 0.. {
                if round == ROUNDS {
                    return Err(StoreError::Busy { place: self.place() });
                }
                let values = self.values(&hash, &waiting)?;
                let mut script = cmd("EVAL");
                script.arg(COMPARE_AND_SET).arg(1).arg(&hash);
                script.arg(KEPT.as_secs()).arg(MOST_TEXT);
                let mut asked = Vec::new();
                for (&key, old) in waiting.iter().zip(&values) {
                    let shown = old.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
                    let new = match change(key, shown) {
                        Step::Keep => continue,
                        Step::Remove => String::new(),
                        Step::Put(value) => {
                            check_text(&value)?;
                            value
                        }
                    };
                    script.arg(key).arg(old.as_deref().unwrap_or_default()).arg(new);
                    asked.push(key);
                }
                if asked.is_empty() {
                    break;
                }
                let missed = self.ask_for::<Vec<usize>>(&[script])?.pop().unwrap_or_default();
                let again: Option<Vec<&str>> =
                    missed.into_iter().map(|i| asked.get(i).copied()).collect();
                let why = "entries that were not sent";
                waiting = again.ok_or_else(|| StoreError::Protocol {
                    place: self.place(),
                    why: why.to_owned(),
                })?;
                if waiting.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self, device: &str) -> Result<u64, StoreError> {
        let hash = Self::hash(device)?;
        self.begin()?;
        let commands = [cmd("HLEN").arg(&hash).take(), cmd("DEL").arg(&hash).take()];
        Ok(self.ask_for::<u64>(&commands)?.first().copied().unwrap_or(0))
    }

    fn place(&self) -> String {
        self.info.addr().to_string()
    }
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// The beginning of what a server said: it may be anything.
fn short(text: &str) -> String {
    let line: String =
        text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() < text.len() { format!("{line} ..") } else { line }
}
