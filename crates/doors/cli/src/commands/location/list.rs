//! `tow location list`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::{or_dash, short, state_cell, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::location::list::{ListLocations, LocationView};
use tow_record::Level;

/// List locations, and how each was found last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(cx: &Context, _: Args) -> Verdict {
    let reply = cx.client()?.call::<ListLocations>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for LocationView {
    const HEAD: &'static [&'static str] =
        &["NAME", "STATE", "OBJECTS", "LOOKED AT", "TARGET", "ERROR"];
    const EMPTY: &'static str = "no locations";

    fn row(&self) -> Vec<Cell> {
        let error = self.items.iter().find(|item| item.level == Level::Error);
        let more = match self.targets.len() {
            0 | 1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        let target = self.targets.first().map_or("–", String::as_str);
        vec![
            Cell::new(short(&self.location)),
            state_cell(self.state),
            Cell::new(self.objects),
            Cell::new(or_dash(self.looked_at.map(time))),
            Cell::new(format!("{target}{more}")),
            Cell::new(error.map_or("", |item| item.message.as_str())),
        ]
    }

    fn shorten(&mut self) {
        self.location = short(&self.location);
    }
}
