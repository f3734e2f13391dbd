"""Where tasks get their addresses: the default VPC, subnets that somebody names, or a small VPC of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, ip_network
from typing import Any

from skylift.provisioner import ProvisionError
from skylift_infra.aws.account import Account, has_marks, tag_list, tags_of, telling
from skylift_infra.resources import Found, Made, Resource

ZONES = 3
CANDIDATES = [IPv4Network(f"10.{second}.0.0/16") for second in range(214, 246)]
ANYWHERE = "0.0.0.0/0"
Tags = Mapping[str, str]


def default_vpc(account: Account) -> str | None:
    """The id of the region's default VPC."""
    with telling("look for a default VPC"):
        filters = [{"Name": "is-default", "Values": ["true"]}]
        found = account.client("ec2").describe_vpcs(Filters=filters)["Vpcs"]
    return found[0]["VpcId"] if found else None


def subnets_in(account: Account, *, vpc: str | None = None, ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Those of a VPC, or these. Raises `ProvisionError` for one that is not there."""
    wanted: dict[str, Any] = {"SubnetIds": list(ids)} if ids else {"Filters": [{"Name": "vpc-id", "Values": [vpc]}]}
    with telling(f"look for the subnets {', '.join(ids) or 'of ' + str(vpc)}"):
        found: list[dict[str, Any]] = account.client("ec2").describe_subnets(**wanted)["Subnets"]
    return sorted(found, key=lambda each: str(each["SubnetId"]))


class ExistingNetwork(Resource):
    """A VPC and subnets that are there: never changed, never removed."""

    kind = "subnets"
    may_be_foreign = True

    def __init__(self, account: Account, key: str, *, vpc: str | None = None, ids: Sequence[str] = ()) -> None:
        super().__init__(key, ", ".join(ids) if ids else f"of the default VPC {vpc}")
        self.account, self.vpc, self.ids = account, vpc, ids

    def look(self, made: Made) -> Found | None:
        found = subnets_in(self.account, vpc=self.vpc, ids=self.ids)
        vpcs = {each["VpcId"] for each in found}
        if len(vpcs) != 1:
            raise ProvisionError(
                f"The subnets {self.name} are not all of one VPC" if found else f"There are no subnets {self.name}",
                remedy="Name subnets of one VPC with --subnets",
            )
        return Found({"vpc": vpcs.pop(), "subnets": [each["SubnetId"] for each in found]}, owned=False)

    def create(self, made: Made) -> None:
        raise ProvisionError(f"There are no subnets {self.name}", remedy="Name others with --subnets")

    def delete(self, found: Found) -> None:
        raise AssertionError("what is not ours is never removed")


class Ec2Thing(Resource):
    """What EC2 gives an id of its own, and finds by its marks and its name."""

    listing: str
    """The operation that lists, such as describe_vpcs, and the key of its answer."""
    answer: str
    id_name: str
    resource_type: str

    def __init__(self, account: Account, tags: Tags, key: str, name: str, needs: tuple[str, ...] = ()) -> None:
        super().__init__(key, name, needs)
        self.account, self.tags = account, {**tags, "Name": name}

    def specification(self) -> list[dict[str, Any]]:
        """Marks that are there from the first moment on."""
        return [{"ResourceType": self.resource_type, "Tags": tag_list(self.tags)}]

    def seen(self) -> list[dict[str, Any]]:
        filters = [{"Name": f"tag:{name}", "Values": [text]} for name, text in self.tags.items()]
        with telling(f"look for the {self.kind} {self.name}"):
            found: list[dict[str, Any]] = getattr(self.account.client("ec2"), self.listing)(Filters=filters)[
                self.answer
            ]
        return [each for each in found if has_marks(tags_of(each.get("Tags")), self.tags)]

    def look(self, made: Made) -> Found | None:
        found = self.seen()
        if not found:
            return None
        spare = [each[self.id_name] for each in found[1:]]  # of a creation whose answer was lost
        differences = ["it is there more than once"] if spare else []
        differences += self.wrong(made, found[0])
        return Found({"id": found[0][self.id_name]}, True, tuple(differences), detail=spare)

    def wrong(self, made: Made, thing: Mapping[str, Any]) -> list[str]:
        """In words, what is not as it should be."""
        return []

    def right(self, made: Made, thing_id: str) -> None:
        """Take away what `wrong` tells."""

    def remove(self, thing_id: str) -> None:
        raise NotImplementedError

    def mend(self, made: Made, found: Found) -> None:
        for each in found.detail or ():
            self.remove(each)
        self.right(made, found.outputs["id"])

    def delete(self, found: Found) -> None:
        for each in (found.outputs["id"], *(found.detail or ())):
            self.remove(each)


class Vpc(Ec2Thing):
    kind, listing, answer, id_name, resource_type = "VPC", "describe_vpcs", "Vpcs", "VpcId", "vpc"

    def look(self, made: Made) -> Found | None:
        found = super().look(made)
        if found:
            with telling(f"read the VPC {self.name}"):
                attribute = self.account.client("ec2").describe_vpc_attribute(
                    VpcId=found.outputs["id"], Attribute="enableDnsHostnames"
                )
            wrong = () if attribute["EnableDnsHostnames"]["Value"] else ("its hosts have no names",)
            block = next(each["CidrBlock"] for each in self.seen() if each["VpcId"] == found.outputs["id"])
            outputs = {**found.outputs, "cidr": block}
            return Found(outputs, True, (*found.differences, *wrong), detail=found.detail)
        return None

    def create(self, made: Made) -> None:
        ec2 = self.account.client("ec2")
        with telling("look for room for a VPC"):
            taken = [IPv4Network(each["CidrBlock"]) for each in ec2.describe_vpcs()["Vpcs"]]
        with telling(f"create the VPC {self.name}"):
            made_now = ec2.create_vpc(CidrBlock=str(free_block(taken)), TagSpecifications=self.specification())
        self.right(made, made_now["Vpc"]["VpcId"])

    def right(self, made: Made, thing_id: str) -> None:
        with telling(f"give the hosts of the VPC {self.name} names"):
            self.account.client("ec2").modify_vpc_attribute(VpcId=thing_id, EnableDnsHostnames={"Value": True})

    def remove(self, thing_id: str) -> None:
        with telling(f"delete the VPC {self.name}", "InvalidVpcID.NotFound"):
            self.account.client("ec2").delete_vpc(VpcId=thing_id)


def free_block(taken: Iterable[Any]) -> IPv4Network:
    """The first /16 that overlaps none of these. Raises `ProvisionError`."""
    blocks = list(taken)
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(each) for each in blocks):
            return candidate
    raise ProvisionError("No address block is free for a VPC", remedy="Name subnets of your own with --subnets")


class InternetGateway(Ec2Thing):
    kind, listing, answer = "internet gateway", "describe_internet_gateways", "InternetGateways"
    id_name, resource_type = "InternetGatewayId", "internet-gateway"

    def create(self, made: Made) -> None:
        with telling(f"create the internet gateway {self.name}"):
            new = self.account.client("ec2").create_internet_gateway(TagSpecifications=self.specification())
        self.right(made, new["InternetGateway"]["InternetGatewayId"])

    def wrong(self, made: Made, thing: Mapping[str, Any]) -> list[str]:
        attached = [each["VpcId"] for each in thing.get("Attachments", [])]
        return [] if made["vpc"]["id"] in attached else ["it is not attached to the VPC"]

    def right(self, made: Made, thing_id: str) -> None:
        with telling(f"attach {self.name}", "Resource.AlreadyAssociated"):
            self.account.client("ec2").attach_internet_gateway(InternetGatewayId=thing_id, VpcId=made["vpc"]["id"])

    def remove(self, thing_id: str) -> None:
        ec2 = self.account.client("ec2")
        with telling(f"look at {self.name}"):
            found = [each for each in self.seen() if each[self.id_name] == thing_id]
        for attachment in found[0].get("Attachments", []) if found else []:
            with telling(f"detach {self.name}", "Gateway.NotAttached"):
                ec2.detach_internet_gateway(InternetGatewayId=thing_id, VpcId=attachment["VpcId"])
        with telling(f"delete {self.name}", "InvalidInternetGatewayID.NotFound"):
            ec2.delete_internet_gateway(InternetGatewayId=thing_id)


class Subnet(Ec2Thing):
    kind, listing, answer, id_name, resource_type = "subnet", "describe_subnets", "Subnets", "SubnetId", "subnet"

    def __init__(self, account: Account, tags: Tags, key: str, name: str, zone: str, number: int) -> None:
        super().__init__(account, tags, key, name, ("vpc",))
        self.zone, self.number = zone, number

    def create(self, made: Made) -> None:
        block = list(ip_network(made["vpc"]["cidr"]).subnets(new_prefix=18))[self.number]
        with telling(f"create the subnet {self.name}"):
            self.account.client("ec2").create_subnet(
                VpcId=made["vpc"]["id"],
                CidrBlock=str(block),
                AvailabilityZone=self.zone,
                TagSpecifications=self.specification(),
            )

    def remove(self, thing_id: str) -> None:
        with telling(f"delete the subnet {self.name}", "InvalidSubnetID.NotFound"):
            self.account.client("ec2").delete_subnet(SubnetId=thing_id)


class RouteTable(Ec2Thing):
    """Leads out of all subnets."""

    kind, listing, answer = "route table", "describe_route_tables", "RouteTables"
    id_name, resource_type = "RouteTableId", "route-table"

    def __init__(self, account: Account, tags: Tags, key: str, name: str, subnets: tuple[str, ...]) -> None:
        super().__init__(account, tags, key, name, ("vpc", "gateway", *subnets))
        self.subnets = subnets

    def create(self, made: Made) -> None:
        with telling(f"create the route table {self.name}"):
            new = self.account.client("ec2").create_route_table(
                VpcId=made["vpc"]["id"], TagSpecifications=self.specification()
            )
        self.right(made, new["RouteTable"]["RouteTableId"])

    def wrong(self, made: Made, thing: Mapping[str, Any]) -> list[str]:
        joined = {each.get("SubnetId") for each in thing["Associations"]}
        missing = {made[each]["id"] for each in self.subnets} - joined
        words = [] if _ways_out(thing) == {made["gateway"]["id"]} else ["the way out"]
        return words + (["the subnets that it serves"] if missing else [])

    def right(self, made: Made, thing_id: str) -> None:
        ec2 = self.account.client("ec2")
        route = {"DestinationCidrBlock": ANYWHERE, "GatewayId": made["gateway"]["id"]}
        found = next((each for each in self.seen() if each[self.id_name] == thing_id), {})
        ways = _ways_out(found)
        if not ways:
            with telling(f"lead {self.name} out", "RouteAlreadyExists"):
                ec2.create_route(RouteTableId=thing_id, **route)
        elif ways != {route["GatewayId"]}:
            with telling(f"lead {self.name} out by our gateway"):
                ec2.replace_route(RouteTableId=thing_id, **route)
        joined = {each.get("SubnetId") for each in found.get("Associations", [])}
        for each in self.subnets:
            if made[each]["id"] in joined:
                continue
            with telling(f"have {self.name} serve {each}", "Resource.AlreadyAssociated"):
                ec2.associate_route_table(RouteTableId=thing_id, SubnetId=made[each]["id"])

    def remove(self, thing_id: str) -> None:
        ec2 = self.account.client("ec2")
        for each in self.seen():
            for association in each["Associations"] if each[self.id_name] == thing_id else []:
                with telling(f"part {self.name} from its subnets", "InvalidAssociationID.NotFound"):
                    ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
        with telling(f"delete the route table {self.name}", "InvalidRouteTableID.NotFound"):
            ec2.delete_route_table(RouteTableId=thing_id)


def _ways_out(table: Mapping[str, Any]) -> set[str]:
    """Where a route table sends what goes to anywhere."""
    routes = [each for each in table.get("Routes", []) if each.get("DestinationCidrBlock") == ANYWHERE]
    return {str(each.get("GatewayId")) for each in routes}


class SecurityGroup(Ec2Thing):
    """Lets nothing in; runs only ever call out."""

    kind, listing, answer = "security group", "describe_security_groups", "SecurityGroups"
    id_name, resource_type = "GroupId", "security-group"

    def __init__(self, account: Account, tags: Tags, key: str, name: str, network: str) -> None:
        super().__init__(account, tags, key, name, (network,))
        self.network = network

    def create(self, made: Made) -> None:
        network = made[self.network]
        with telling(f"create the security group {self.name}", "InvalidGroup.Duplicate"):
            self.account.client("ec2").create_security_group(
                GroupName=self.name,
                Description="Runs of a Skylift work pool: nothing comes in",
                VpcId=network.get("vpc") or network["id"],
                TagSpecifications=self.specification(),
            )

    def wrong(self, made: Made, thing: Mapping[str, Any]) -> list[str]:
        return ["something may come in"] if thing.get("IpPermissions") else []

    def right(self, made: Made, thing_id: str) -> None:
        ec2 = self.account.client("ec2")
        for group in self.seen():
            if group["GroupId"] == thing_id and group.get("IpPermissions"):
                with telling(f"close the security group {self.name}"):
                    ec2.revoke_security_group_ingress(GroupId=thing_id, IpPermissions=group["IpPermissions"])

    def remove(self, thing_id: str) -> None:
        with telling(f"delete the security group {self.name}", "InvalidGroup.NotFound", "InvalidGroupId.NotFound"):
            self.account.client("ec2").delete_security_group(GroupId=thing_id)
