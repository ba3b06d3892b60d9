//! Configuration, in plain text, for owners.

use crate::{App, AppError, Call, Handle, OpCtx, handle::component_ref};
use std::collections::BTreeMap;
use tow_api::Action;
use tow_api::config::get::{ConfigValue, GetConfig, Reply};
use tow_names::{Name, Place};
use tow_record::ConfigVersion;

impl Handle<GetConfig> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetConfig>) -> Result<Reply, AppError> {
        let component = component_ref(&call.path.component)?;
        let name = Name::new(call.path.environment.clone())
            .map_err(|e| AppError::new("input/invalid", e.to_string()))?;
        let place = Place::new(component, &name);
        let object = self.owner_of(&place, &[]).await?;
        self.authorize(ctx, Action::ReadPrivate, &object)?;
        self.environment_row(&name).await?;
        let facts = self.store().place(&place).await?;
        let number = facts.placement.value.config;
        let mut values: BTreeMap<String, ConfigValue> = BTreeMap::new();
        for (name, value) in facts.environment.map(|e| e.variables).unwrap_or_default() {
            let source = "environment".to_string();
            values.insert(name.clone(), ConfigValue { name, value, source });
        }
        if let Some(row) = self.store().get::<ConfigVersion>(&format!("{place}/{number}")).await? {
            for (name, sealed) in row.value.values {
                let plain =
                    self.parts.keys.open(&ConfigVersion::context(&place, &name), &sealed)?;
                let value = String::from_utf8_lossy(&plain).into_owned();
                let source = "component".to_string();
                values.insert(name.clone(), ConfigValue { name, value, source });
            }
        }
        Ok(Reply { version: number, values: values.into_values().collect() })
    }
}
