//! Pools of connections, and the settings and certificates that they are made with.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;
use tokio_postgres::config::{Host, SslMode};

use crate::config::Database;

#[derive(Clone)]
pub(super) enum Tls {
    None,
    Rustls(tokio_postgres_rustls::MakeRustlsConnect),
}

impl Tls {
    /// What a connection is secured with, as its URL says; through a socket of this machine nothing.
    pub fn of(config: &tokio_postgres::Config) -> Result<Tls, String> {
        Ok(match config.get_ssl_mode() {
            SslMode::Disable => Tls::None,
            _ if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) => Tls::None,
            _ => Tls::Rustls(tokio_postgres_rustls::MakeRustlsConnect::new(certificates()?)),
        })
    }
}

pub(super) fn of(
    mut config: tokio_postgres::Config,
    tls: &Tls,
    limits: &Database,
    size: usize,
    statement: Duration,
) -> Result<Pool, String> {
    let timeout = statement.as_millis();
    config.options(format!(
        "-c jit=off -c client_min_messages=warning -c timezone=UTC -c datestyle=ISO -c search_path=public -c extra_float_digits=1 -c statement_timeout={timeout} \
         -c idle_in_transaction_session_timeout={} -c plan_cache_mode=force_generic_plan -c lock_timeout={}",
        timeout * 2,
        limits.lock.as_millis()
    ));
    let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match tls {
        Tls::None => Manager::from_config(config, NoTls, settings),
        Tls::Rustls(tls) => Manager::from_config(config, tls.clone(), settings),
    };
    let age = limits.recycle;
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(limits.wait))
        .create_timeout(Some(limits.connect))
        .recycle_timeout(Some(limits.connect))
        .pre_recycle(Hook::sync_fn(move |_, metrics| match metrics.age() > age {
            true => Err(HookError::message("old")),
            false => Ok(()),
        }))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|e| e.to_string())
}

pub(super) fn of_shared(config: tokio_postgres::Config, tls: &Tls, limits: &Database) -> Result<Pool, String> {
    // twice as many as are shared: those that grew old serve their last reads while the next ones are made
    of(config, tls, limits, (limits.shared * 2).max(1), limits.small)
}

fn certificates() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
