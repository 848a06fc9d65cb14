//! The rules that the pods and the plugin act by, each one by itself, so that the search can show
//! what each of them is for.

/// When a forced take-over tells the old primary in its volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Informs {
    Never,
    /// Once the take-over is committed.
    After,
    /// Before the commit, that its stop may have been announced.
    Before,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The record keeps the highest timeline number ever given, and a promotion takes one above it.
    pub numbers: bool,
    /// A flush position beyond the primary's end is no standby that is well, and equal numbers are
    /// no proof that nothing would be lost.
    pub compares: bool,
    /// Of a lost record only steady copies are published again; a handover is ended by its target,
    /// or by an old primary that did not announce its stop.
    pub copies: bool,
    /// The `clean` pods are a list, each with the location of its shutdown checkpoint.
    pub clean_list: bool,
    /// By how much the epoch grows when a handover is given up for one to another pod.
    pub supersede: u8,
    /// By how much it grows when a maintenance is left or begun anew.
    pub leaves_by: u8,
    pub informs: Informs,
    /// A maintenance in which nothing was replaced can be taken back.
    pub maintenance_exit: bool,
    /// Each pod can write the record twice when its disk is full, and goes on as the primary when
    /// it cannot announce its stop.
    pub reserves: bool,
    /// A target that cannot be promoted gives the role back.
    pub hands_back: bool,
    /// The old primary says that it stopped before its process has ended.
    pub stops_early: bool,
    /// A promotion that a crash interrupted is carried on, and not taken for a primary.
    pub repeats: bool,
    /// A restore that was called off is undone whatever the record says then, and a pod that has no
    /// old data does not run the backup.
    pub undoes_restores: bool,
    /// Who takes a maintenance's primary the role away leaves the record in its volume.
    pub informs_restored: bool,
    /// A restored pod that gave up, and took its request back, is out of the way although it runs.
    pub gives_way: bool,
    /// Data from before a restore may be promoted by force.
    pub older_target: bool,
    /// Who is primary can be said anew above every copy.
    pub overrides: bool,
}

impl Rules {
    /// Those of commit 0369f8b.
    pub fn before() -> Self {
        Self {
            numbers: false,
            compares: false,
            copies: false,
            clean_list: false,
            supersede: 1,
            leaves_by: 1,
            informs: Informs::Never,
            maintenance_exit: false,
            reserves: false,
            hands_back: false,
            stops_early: false,
            repeats: false,
            undoes_restores: false,
            informs_restored: false,
            gives_way: false,
            older_target: false,
            overrides: false,
        }
    }

    /// Those of today: what `templates/entrypoint` and `src/cluster` do.
    pub fn today() -> Self {
        Self {
            numbers: true,
            compares: true,
            copies: true,
            clean_list: true,
            supersede: 10,
            leaves_by: 10,
            informs: Informs::Before,
            maintenance_exit: true,
            reserves: true,
            hands_back: true,
            stops_early: true,
            repeats: true,
            undoes_restores: true,
            informs_restored: true,
            gives_way: true,
            older_target: true,
            overrides: true,
        }
    }
}
