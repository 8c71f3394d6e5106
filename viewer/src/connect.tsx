/** The addresses of a layer for other software, to be copied. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { itemsAddress, root } from "./engine";
import { Icon } from "./icons";
import { parameters, withParameters } from "./questions";
import { asked, connecting, filters, language, style, title } from "./state";
import { say } from "./words";

const restricted = signal(true);
const copied = signal<string | undefined>(undefined);

export function Connect() {
  const name = connecting.value!;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = () => (connecting.value = copied.value = undefined);
  return (
    <dialog ref={dialog} class="card connect" aria-labelledby="connect-title" onClose={close} onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}>
      <div class="bar">
        <h2 id="connect-title">{say("connectTo", { layer: title(name) })}</h2>
        <button type="button" class="icon" aria-label={say("close")} title={say("close")} onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label={say("connect")}>
        <p class="hint">{say("connectHint")}</p>
        {filters.value.has(name) && (
          <label class="tick">
            <input type="checkbox" checked={restricted.value} onChange={() => (restricted.value = !restricted.value)} />
            {say("withFilter")}
          </label>
        )}
        {ways(name).map((way) => (
          <WayIn key={way.id} way={way} />
        ))}
        <a href={`${root}/collections/${name}?f=html&lang=${language.value}`} target="_blank" rel="noopener">
          {say("metadata")}
        </a>
      </div>
    </dialog>
  );
}

interface Way {
  id: string;
  what: string;
  how: string;
  address: string;
}

function WayIn({ way }: { way: Way }) {
  const done = copied.value === way.id;
  return (
    <div class="way" data-way={way.id}>
      <h3>{way.what}</h3>
      <p class="hint">{way.how}</p>
      <div class="copy">
        <input type="text" readOnly value={way.address} aria-label={way.what} onFocus={(event) => event.currentTarget.select()} />
        <button type="button" class="deed" aria-label={`${say("copy")}: ${way.what}`} onClick={(event) => void copy(way, event.currentTarget)}>
          <Icon name="copy" />
          <span role="status">{say(done ? "copied" : "copy")}</span>
        </button>
      </div>
    </div>
  );
}

/** Over http a browser has no clipboard to write to; then the text is selected and copied the old way. */
async function copy({ id, address }: Way, button: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    const field = button.parentElement?.querySelector("input");
    field?.select();
    document.execCommand("copy");
  }
  copied.value = id;
}

function ways(name: string): Way[] {
  const vi = language.value === "vi";
  const told = (vietnamese: string, english: string) => (vi ? vietnamese : english);
  const raster = style.value?.sources[name]?.type === "raster";
  const asking = restricted.value ? parameters(asked(name)) : new URLSearchParams();
  const tiles = `${root}/collections/${name}/${raster ? "map/tiles" : "tiles"}/WebMercatorQuad`;
  const file = (form: string) => withParameters(`${itemsAddress(name)}?f=${form}&lang=${language.value}`, asking);
  const picture: Way[] = [
    {
      id: "xyz",
      what: raster ? told("Ảnh theo ô (XYZ)", "Picture tiles (XYZ)") : told("Ô vectơ (XYZ, MVT)", "Vector tiles (XYZ, MVT)"),
      how: told("QGIS: Trình duyệt → XYZ/Vector Tiles → Kết nối mới; ArcGIS Pro, Leaflet, MapLibre cũng vậy.", "QGIS: Browser → XYZ or Vector Tiles → New connection; ArcGIS Pro, Leaflet and MapLibre too."),
      address: withParameters(`${tiles}/{z}/{y}/{x}`, raster ? new URLSearchParams() : asking),
    },
    { id: "tilejson", what: "TileJSON", how: told("MapLibre, Mapbox và công cụ web: phạm vi, mức phóng, thuộc tính.", "MapLibre, Mapbox and web tools: extent, zooms, attributes."), address: `${tiles}?f=tilejson` },
    { id: "style", what: told("Kiểu hiển thị (MapLibre)", "Style (MapLibre)"), how: told("QGIS: Thêm lớp Vector Tile → địa chỉ kiểu.", "QGIS: Add Vector Tile Layer → style URL."), address: `${root}/styles/${name}?lang=${language.value}` },
  ];
  if (raster) return [...picture, { id: "coverage", what: "GeoTIFF", how: told("Toàn bộ ô lưới, mở bằng QGIS, GDAL.", "Every cell, for QGIS and GDAL."), address: `${root}/collections/${name}/coverage?f=GTiff` }];
  return [
    { id: "features", what: "QGIS, GDAL: OGC API – Features", how: told(`QGIS: Lớp → Thêm lớp → WFS / OGC API – Features → Mới; rồi chọn “${title(name)}”.`, `QGIS: Layer → Add Layer → WFS / OGC API – Features → New; then choose “${title(name)}”.`), address: `${root}/` },
    { id: "arcgis", what: "ArcGIS Pro, ArcGIS Online", how: told("Insert → Connections → Server → New OGC API Server.", "Insert → Connections → Server → New OGC API Server."), address: `${root}/` },
    { id: "csv", what: told("Excel, Power BI (CSV)", "Excel, Power BI (CSV)"), how: told("Dữ liệu → Từ web; bấm Làm mới để lấy bản mới.", "Data → From web; Refresh takes what is new."), address: file("csv") },
    { id: "geojson", what: "GeoJSON", how: told("Từng trang 10.000 đối tượng; liên kết “next” dẫn tiếp.", "Pages of 10,000 features; the link “next” leads on."), address: withParameters(`${itemsAddress(name)}?f=json&limit=10000`, asking) },
    ...picture,
    { id: "curl", what: "curl", how: told("Tải cả lớp thành một tệp GeoPackage.", "Takes the layer as one GeoPackage."), address: `curl -o ${name}.gpkg '${file("gpkg").replaceAll("'", "%27")}'` },
  ];
}
