import { address } from "../api/client";
import type { BlockRows, VariableRows } from "../api/types";
import { useRead } from "../api/use-read";
import { useQuery } from "../router";
import { Copy } from "../ui/copy";
import { Head, Loaded, Section } from "../ui/page";
import { Search } from "../ui/search";
import { Table } from "../ui/table";
import { When } from "../ui/time";

const MOST = 200;

/** What runs find by name. Of blocks only that they are there: their values stay on the server. */
export default function Stored() {
  const [text, setText] = useQuery("q");
  const blocks = useRead<BlockRows>(address("/skylift/blocks", {}, { limit: MOST }));
  const variables = useRead<VariableRows>(address("/skylift/variables", {}, { limit: MOST }));
  const fits = (...words: string[]) => words.join(" ").toLowerCase().includes(text.toLowerCase());
  return (
    <>
      <Head title="Blocks and variables" />
      <div class="tools">
        <Search label="Search by name" value={text} change={setText} />
      </div>
      <Section
        title="Blocks"
        note={blocks.data?.next ? `the first ${MOST}; their values are never shown` : "their values are never shown"}
      >
        <Loaded read={blocks}>
          {(page) => (
            <Table
              label="Blocks"
              rows={page.blocks.filter((block) => fits(block.name, block.block_type))}
              id={(block) => block.id}
              empty={
                text ? (
                  "No block fits."
                ) : (
                  <>
                    There is none. <code>skylift block register</code> and <code>prefect block create</code> make them.
                  </>
                )
              }
              columns={[
                { name: "Type", kind: "keep", cell: (block) => block.block_type },
                { name: "Name", kind: "wide", cell: (block) => block.name },
                {
                  name: "Reference",
                  kind: "keep",
                  cell: (block) => <Copy text={`${block.block_type_slug}/${block.name}`} short={60} what="reference" />,
                },
                { name: "Changed", kind: "keep", cell: (block) => <When at={block.updated} /> },
                { name: "ID", kind: "keep", cell: (block) => <Copy text={block.id} /> },
              ]}
            />
          )}
        </Loaded>
      </Section>
      <Section title="Variables" note={variables.data?.next && `the first ${MOST}`}>
        <Loaded read={variables}>
          {(page) => (
            <Table
              label="Variables"
              rows={page.variables.filter((variable) => fits(variable.name, ...variable.tags))}
              id={(variable) => variable.id}
              empty={
                text ? (
                  "No variable fits."
                ) : (
                  <>
                    There is none. <code>skylift variable set NAME VALUE</code> makes one.
                  </>
                )
              }
              columns={[
                { name: "Name", kind: "keep", cell: (variable) => variable.name },
                {
                  name: "Value",
                  kind: "wide",
                  cell: (variable) =>
                    variable.is_hidden ? (
                      <span class="dim">hidden: its name sounds like a secret</span>
                    ) : (
                      <code>{JSON.stringify(variable.value)}</code>
                    ),
                },
                {
                  name: "Tags",
                  kind: "keep",
                  cell: (variable) =>
                    variable.tags.map((tag) => (
                      <span key={tag} class="tag">
                        {tag}
                      </span>
                    )),
                },
                { name: "Changed", kind: "keep", cell: (variable) => <When at={variable.updated} /> },
              ]}
            />
          )}
        </Loaded>
      </Section>
    </>
  );
}
