//! Cells to ask about: people, processes and connections, drawn from a seed.

use access::{Directory, Grant, Person, Place, Resource, Service, Standing, Who};
use domain::Scope;

/// A generator that a seed decides: SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % end as u64).unwrap()
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn mostly(&mut self) -> bool {
        self.below(4) != 0
    }
}

pub(crate) const REGIONS: &[&str] = &["eu", "us"];
pub(crate) const PLATFORMS: &[&str] = &["shopify", "bigcommerce"];
pub(crate) const TENANTS: &[&str] = &["acme", "umbra", "orbit"];
pub(crate) const ROLES: &[&str] = &["command", "server", "monitor", "worker/shopify", "worker/bigcommerce"];
const GROUPS: &[&str] = &[
    "operators",
    "custodians",
    "auditors",
    "acme/owners",
    "acme/viewers",
    "umbra/owners",
    "umbra/viewers",
    "orbit/owners",
    "night-shift",
];

pub(crate) fn scope(tenant: &str, name: &str, platform: &str, region: &str) -> Scope {
    Scope {
        tenant: tenant.parse().unwrap(),
        region: region.parse().unwrap(),
        platform: platform.parse().unwrap(),
        connection: name.parse().unwrap(),
    }
}

pub(crate) fn place(region: &str) -> Place {
    Place { cell: "cell".to_owned(), region: region.parse().unwrap() }
}

pub(crate) fn person(chance: &mut Chance, name: &str) -> Person {
    let groups = (0..chance.below(3)).map(|_| chance.one(GROUPS).to_owned()).collect();
    Person { name: name.to_owned(), groups }
}

pub(crate) fn who(chance: &mut Chance) -> Who {
    if chance.below(2) == 0 {
        let name = ["ana", "ben", "cleo"][chance.below(3)];
        return Who::Person(person(chance, name));
    }
    let region = chance.one(REGIONS).parse().unwrap();
    let cell = if chance.mostly() { "cell" } else { "elsewhere" };
    Who::Service(Service::new(chance.one(ROLES), cell, region).unwrap())
}

pub(crate) fn standing(chance: &mut Chance) -> Standing {
    let person = person(chance, "dov");
    let grant = Grant { genuine: chance.mostly(), covers: chance.mostly(), live: chance.mostly(), person };
    Standing { two_factors: chance.mostly(), grant: chance.mostly().then_some(grant) }
}

pub(crate) fn resource(chance: &mut Chance) -> Resource {
    let region = chance.one(REGIONS);
    let tenant = chance.one(TENANTS);
    let scope = scope(tenant, ["shop", "outlet"][chance.below(2)], chance.one(PLATFORMS), region);
    let place = place(region);
    match chance.below(11) {
        0 => Resource::Connection(scope),
        1 => Resource::DataKey(scope),
        2 => Resource::Credential(scope),
        3 => Resource::Record(scope, ["order", "product"][chance.below(2)].parse().unwrap()),
        4 => Resource::StoreCredential(place, "object-store".to_owned()),
        5 => Resource::Vault(place),
        6 => Resource::Trail(place),
        7 => Resource::Policies(place),
        8 => Resource::Tenant(scope.tenant, scope.region),
        9 => Resource::Roster(place, scope.platform),
        _ => Resource::Cell(place),
    }
}

/// A cell with some of everything.
pub(crate) fn directory(seed: u64) -> Directory {
    let chance = &mut Chance(seed);
    let mut everybody: Vec<Who> =
        (0..20).map(|turn| Who::Person(person(chance, &format!("person-{turn}")))).collect();
    for role in ROLES {
        for region in REGIONS {
            // Roles are by cell: each region has its own.
            let cell = if *region == "eu" { "cell" } else { "elsewhere" };
            everybody.push(Who::Service(Service::new(role, cell, region.parse().unwrap()).unwrap()));
        }
    }
    let mut everything = Vec::new();
    for tenant in TENANTS {
        everything.push(Resource::Tenant(tenant.parse().unwrap(), "eu".parse().unwrap()));
        for (platform, name) in PLATFORMS.iter().zip(["shop", "outlet"]) {
            let scope = scope(tenant, name, platform, "eu");
            everything.extend([
                Resource::Connection(scope.clone()),
                Resource::DataKey(scope.clone()),
                Resource::Credential(scope.clone()),
                Resource::Record(scope, "order".parse().unwrap()),
            ]);
        }
    }
    let place = place("eu");
    everything.extend([
        Resource::Roster(place.clone(), "shopify".parse().unwrap()),
        Resource::StoreCredential(place.clone(), "key-store".to_owned()),
        Resource::Vault(place.clone()),
        Resource::Trail(place.clone()),
        Resource::Policies(place.clone()),
        Resource::Cell(place),
    ]);
    let behind = Person { name: "behind".to_owned(), groups: ["acme/owners".to_owned()].into() };
    Directory::new(everybody, everything, Standing::good(behind)).unwrap()
}
