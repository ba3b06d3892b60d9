//! Requests that ended, for owners: what the gateway's access log says of the components whose logs they may read.

use crate::{App, AppError, Call, Handle, OpCtx, handle::page};
use tow_api::request::list::{ListRequests, Reply};
use tow_ports::{RequestQuery, Towards};

impl Handle<ListRequests> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListRequests>) -> Result<Reply, AppError> {
        let query = call.query;
        let (component, environment) = (query.component.as_deref(), query.environment.as_deref());
        let facts = self.places(ctx, component, environment).await?;
        let places = facts.iter().map(|facts| &facts.placement.value.place);
        let places = match component {
            // Whoever asks for one is told that they may not.
            Some(_) => {
                self.authorize_private(ctx, places.clone()).await?;
                places.map(ToString::to_string).collect()
            }
            None => self.private(ctx, places).await?,
        };
        let towards = match (query.before, query.after) {
            (Some(_), Some(_)) => {
                let why = "before and after can't both be said";
                return Err(AppError::new("input/invalid", why).hint("one of them"));
            }
            (Some(place), None) => Towards::Before(place),
            (None, Some(place)) => Towards::After(place),
            (None, None) => Towards::Newest,
        };
        let asked = RequestQuery {
            places,
            request: query.request,
            failed: query.failed,
            most: page(query.limit) as usize,
            towards,
        };
        let found = self.parts.edge.requests(asked).await?;
        Ok(Reply {
            items: found.lines,
            before: found.before,
            after: found.after,
            since: found.since,
            dropped: found.dropped,
        })
    }
}
