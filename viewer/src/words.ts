/** Every sentence of the page, in Vietnamese and English. */
import { language } from "./state";

const words = {
  layers: ["Lớp bản đồ", "Map layers"],
  findLayer: ["Tìm lớp…", "Find a layer…"],
  noSuchLayer: ["Không có lớp nào tên như vậy.", "No layer has such a name."],
  openLayers: ["Mở danh sách lớp", "Open the layer list"],
  closeLayers: ["Đóng danh sách lớp", "Close the layer list"],
  language: ["Ngôn ngữ", "Language"],
  toDark: ["Chuyển sang nền tối", "Switch to dark"],
  toLight: ["Chuyển sang nền sáng", "Switch to light"],
  zoomIn: ["Phóng to", "Zoom in"],
  zoomOut: ["Thu nhỏ", "Zoom out"],
  north: ["Xoay về hướng bắc", "Turn north up"],
  home: ["Về toàn cảnh", "Back to the start"],
  map: ["Bản đồ", "Map"],
  mapHint: [
    "Bản đồ. Phím mũi tên để di chuyển, + và − để phóng, Enter để xem đối tượng ở giữa.",
    "Map. Arrow keys move it, + and − zoom, Enter shows what is at the centre.",
  ],
  fromZoom: ["Hiện khi phóng to", "Shown when zoomed in"],
  about: ["Thông tin lớp", "About this layer"],
  owner: ["Cơ quan chủ trì", "Owner"],
  source: ["Nguồn", "Source"],
  updated: ["Cập nhật lần cuối", "Last updated"],
  licence: ["Giấy phép", "Licence"],
  openData: ["Mở dữ liệu", "Open the data"],
  synthetic: ["Dữ liệu mô phỏng", "Synthetic data"],
  syntheticWhy: [
    "Số liệu do máy tạo ra để trình diễn, không dùng để ra quyết định. Các lớp mô phỏng đang hiện:",
    "Generated for demonstration; not for decisions. Synthetic layers now shown:",
  ],
  here: ["Tại vị trí này", "At this place"],
  nothingHere: ["Không có đối tượng nào ở đây trong các lớp đang hiện.", "Nothing here in the layers that are shown."],
  searching: ["Đang tìm…", "Looking…"],
  close: ["Đóng", "Close"],
  unnamed: ["Không tên", "Unnamed"],
  noAttributes: ["Chưa có thuộc tính nào được ghi.", "No attribute is recorded."],
  partial: [
    "Không tải được đầy đủ thuộc tính; đây là phần có trên bản đồ.",
    "The full attributes could not be loaded; these are the ones on the map.",
  ],
  needsRight: ["Lớp này cần quyền truy cập.", "This layer needs a right of access."],
  grouped: [
    "Nhiều đối tượng được gộp ở mức phóng này; phóng to để xem từng đối tượng.",
    "Several features stand as one at this zoom; zoom in to see each.",
  ],
  yes: ["Có", "Yes"],
  no: ["Không", "No"],
  notices: ["Thông báo", "Notices"],
  loading: ["Đang tải bản đồ…", "Loading the map…"],
  serverAway: [
    "Không kết nối được máy chủ. Bản đồ sẽ tự thử lại.",
    "The server cannot be reached. The map keeps trying.",
  ],
  layerBroken: [
    "Chưa tải được: {layers}. Bản đồ sẽ tự thử lại.",
    "Could not be loaded: {layers}. The map keeps trying.",
  ],
  layerClosed: ["Cần quyền truy cập: {layers}.", "A right of access is needed: {layers}."],
  noWebGl: [
    "Trình duyệt này không vẽ được bản đồ (thiếu WebGL). Dữ liệu vẫn xem được trong danh mục các lớp.",
    "This browser cannot draw the map (WebGL is missing). The data can still be read in the list of layers.",
  ],
  catalogue: ["Danh mục các lớp", "List of layers"],
  tryNow: ["Thử ngay", "Try now"],
  sources: ["Nguồn dữ liệu", "Data sources"],
  skip: ["Đến bản đồ", "Skip to the map"],
  shown: ["{n} lớp đang hiện", "{n} layers shown"],
} as const satisfies Record<string, readonly [vi: string, en: string]>;

export type Word = keyof typeof words;

/** The sentence in the language of the page, its {holes} filled. */
export function say(word: Word, holes: Record<string, string | number> = {}): string {
  const text: string = words[word][language.value === "vi" ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => String(holes[name] ?? hole));
}
